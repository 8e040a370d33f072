-- States how many bytes a queued job will ask for, or withdraws it.
--
-- KEYS    the three keys of the demand (includes/demand.lua)
-- ARGV    [1] job id  [2] bytes; 0 withdraws  [3] forget it after this, ms
-- Output  bytes queued in all
--@include clock.lua
--@include demand.lua

local now = clock_ms()
collect_demand(now)
drop_demand(ARGV[1])
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
  redis.call('INCRBY', KEYS[3], ARGV[2])
end
return redis.call('GET', KEYS[3])

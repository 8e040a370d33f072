-- States how many bytes a queued job will ask for, or withdraws it.
--
-- KEYS    the five keys of the demand (includes/demand.lua)
-- ARGV    [1] job id  [2] bytes; 0 withdraws  [3] forget it after this, ms  [4] model, or empty
--         [5] "absent": only where nothing is stated for the job yet; else empty
-- Output  1 when that is stated now, 0 when nothing was done
--@include clock.lua
--@include demand.lua

local now = clock_ms()
collect_demand(now)
if ARGV[5] == 'absent' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 0
end
drop_demand(ARGV[1])
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
  if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
  end
  add_demand(ARGV[4], ARGV[2], 1)
end
return 1

-- What is queued.
--
-- KEYS    the three keys of the demand (includes/demand.lua)
-- ARGV    none
-- Output  [bytes as a string, jobs]
--@include clock.lua
--@include demand.lua

collect_demand(clock_ms())
return { redis.call('GET', KEYS[3]) or '0', redis.call('HLEN', KEYS[1]) }

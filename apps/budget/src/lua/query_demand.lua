-- What is queued, by model.
--
-- KEYS    the five keys of the demand (includes/demand.lua)
-- ARGV    none
-- Output  [[model, bytes, ...], [model, jobs, ...]], numbers as strings; the empty model: of jobs that do not say
--@include clock.lua
--@include demand.lua

collect_demand(clock_ms())
return { redis.call('HGETALL', KEYS[4]), redis.call('HGETALL', KEYS[5]) }

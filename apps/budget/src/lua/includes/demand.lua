-- Demand: which jobs wait in the queue, for which model, and how many bytes each will ask for. One hash tag.
--
-- KEYS[1] HASH  jobs      job id -> bytes
-- KEYS[2] ZSET  expiries  job id by the time at which it counts as lost, ms
-- KEYS[3] HASH  models    job id -> model; a job that does not say has no field
-- KEYS[4] HASH  bytes     model -> sum of its jobs' bytes; the empty field: of jobs that do not say
-- KEYS[5] HASH  counts    model -> its jobs
--
-- Invariants: jobs and expiries have the same ids; bytes and counts are sums over jobs, without a field where nothing waits.

local function add_demand(model, bytes, jobs)
  -- As text, since Lua writes no more than 14 digits.
  redis.call('HINCRBY', KEYS[4], model, bytes)
  if redis.call('HINCRBY', KEYS[5], model, jobs) == 0 then
    redis.call('HDEL', KEYS[4], model)
    redis.call('HDEL', KEYS[5], model)
  end
end

local function drop_demand(job)
  local bytes = redis.call('HGET', KEYS[1], job)
  if bytes then
    add_demand(redis.call('HGET', KEYS[3], job) or '', '-' .. bytes, -1)
    redis.call('HDEL', KEYS[1], job)
    redis.call('ZREM', KEYS[2], job)
    redis.call('HDEL', KEYS[3], job)
  end
end

local function collect_demand(now)
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do
    drop_demand(job)
  end
end

-- Demand: which jobs wait in the queue, and how many bytes each will ask for. One hash tag.
--
-- KEYS[1] HASH  jobs      job id -> bytes
-- KEYS[2] ZSET  expiries  job id by the time at which it counts as lost, ms
-- KEYS[3] STRING total    sum of all bytes

local function drop_demand(job)
  local bytes = redis.call('HGET', KEYS[1], job)
  if bytes then
    redis.call('HDEL', KEYS[1], job)
    redis.call('ZREM', KEYS[2], job)
    redis.call('DECRBY', KEYS[3], bytes)
  end
end

local function collect_demand(now)
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do
    drop_demand(job)
  end
end

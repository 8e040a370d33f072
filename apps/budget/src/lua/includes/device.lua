-- One device: what the scripts of leases share. All of its keys have one hash tag, so they live in one slot.
--
-- KEYS[1] HASH  device    worker, announced, limit (bytes; absent: none), expiresAt, held, token, arrivals, expired,
--                         reported (of expired: told by a sweep)
-- KEYS[2] HASH  leases    lease id -> JSON {leaseId, fencingToken, jobId, holder, tenant, bytes, grantedBytes, peakBytes,
--                         fullBytes, grantedAtMs, expiresAtMs}
-- KEYS[3] ZSET  expiries  lease id by expiresAtMs
-- KEYS[4] HASH  tenants   tenant -> bytes held; a tenant that holds nothing has no field
-- KEYS[5] HASH  waiting   lease id -> JSON {leaseId, jobId, holder, tenant, rank, floorBytes, elasticBytes, arrival, sinceMs, askByMs}
--
-- Invariants: held is the sum of the leases' bytes and of the tenants' fields; expiries and leases have the same ids;
-- held grows only up to the capacity.

local function add_held(tenant, bytes)
  -- Lua writes a negated zero as "-0", which Redis does not take for a number.
  if bytes == 0 then
    return
  end
  redis.call('HINCRBY', KEYS[1], 'held', bytes)
  if redis.call('HINCRBY', KEYS[4], tenant, bytes) == 0 then
    redis.call('HDEL', KEYS[4], tenant)
  end
end

local function write_lease(lease)
  redis.call('HSET', KEYS[2], lease.leaseId, cjson.encode(lease))
  redis.call('ZADD', KEYS[3], lease.expiresAtMs, lease.leaseId)
end

local function end_lease(lease)
  redis.call('HDEL', KEYS[2], lease.leaseId)
  redis.call('ZREM', KEYS[3], lease.leaseId)
  add_held(lease.tenant, -lease.bytes)
end

-- Ends the leases that were not renewed in time. Every script does this before anything else. Returns how many.
local function collect_expired(now)
  local ids = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)
  for _, id in ipairs(ids) do
    end_lease(cjson.decode(redis.call('HGET', KEYS[2], id)))
  end
  if #ids > 0 then
    redis.call('HINCRBY', KEYS[1], 'expired', #ids)
  end
  return #ids
end

-- The device, or nil when it was never announced. `capacity` is what may be leased: announced, or the limit if lower.
local function read_device(now)
  local fields = redis.call('HMGET', KEYS[1], 'announced', 'limit', 'expiresAt', 'held')
  if not fields[1] then
    return nil
  end
  local announced = tonumber(fields[1])
  return {
    announced = announced,
    capacity = math.min(announced, tonumber(fields[2] or announced)),
    live = tonumber(fields[3]) > now,
    held = tonumber(fields[4] or 0),
  }
end

-- What a device is without its leases.
local function summary_of(device)
  return {
    workerId = redis.call('HGET', KEYS[1], 'worker'),
    live = device.live,
    announcedBytes = device.announced,
    capacityBytes = device.capacity,
    heldBytes = device.held,
    expiredLeases = tonumber(redis.call('HGET', KEYS[1], 'expired') or 0),
  }
end

-- The lease under this id if this token is its own; otherwise nil and the reason.
local function read_lease(id, token)
  local json = redis.call('HGET', KEYS[2], id)
  if not json then
    return nil, 'GONE'
  end
  local lease = cjson.decode(json)
  if lease.fencingToken ~= tonumber(token) then
    return nil, 'STALE_TOKEN'
  end
  return lease
end

-- Whether a job that waits comes before another one: by rank, those of the same rank as they came. Who waited before ranks
-- were known has none.
local function before(one, other)
  local a, b = one.rank or 0, other.rank or 0
  return a < b or (a == b and one.arrival < other.arrival)
end

-- Those who wait, in the order in which they come. Drops the ones that stopped asking.
local function read_waiting(now)
  local waiting = {}
  for _, json in ipairs(redis.call('HVALS', KEYS[5])) do
    local entry = cjson.decode(json)
    if entry.askByMs > now then
      waiting[#waiting + 1] = entry
    else
      redis.call('HDEL', KEYS[5], entry.leaseId)
    end
  end
  table.sort(waiting, before)
  return waiting
end

local function refused(reason)
  return cjson.encode({ outcome = 'refused', refused = { reason = reason } })
end

-- Grants a lease, or notes that its job waits. docs/budget.md, "Who gets room", explains the rules with an example.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] JSON {deviceId, leaseId, jobId, holder, tenant, rank, peakBytes, targetBytes, minBytes,
--         fullBytes}
--         [2] JSON {leaseTtlMs, retryMs, maxRetryMs, waitGraceMs, overtakeMs, tenantShares: {tenant or '*': 0..1}}
-- Output  JSON, an AcquireReply: {outcome: 'granted', granted} | {outcome: 'full', full} | {outcome: 'impossible', impossible},
--         which takes this device for the largest | refused UNKNOWN_DEVICE
--@include clock.lua
--@include device.lua

local request = cjson.decode(ARGV[1])
local policy = cjson.decode(ARGV[2])
local now = clock_ms()
collect_expired(now)

local function granted(lease)
  return cjson.encode({
    outcome = 'granted',
    granted = {
      leaseId = lease.leaseId,
      fencingToken = lease.fencingToken,
      bytes = lease.bytes,
      grantedBytes = lease.grantedBytes,
      cacheRatio = math.min(1, lease.grantedBytes / lease.fullBytes),
      expiresAtMs = lease.expiresAtMs,
      ttlMs = policy.leaseTtlMs,
    },
  })
end

local device = read_device(now)
if not device or not device.live then
  return refused('UNKNOWN_DEVICE')
end

-- Asked again by the same holder: the reply was lost on its way.
local existing = redis.call('HGET', KEYS[2], request.leaseId)
if existing then
  local lease = cjson.decode(existing)
  lease.expiresAtMs = now + policy.leaseTtlMs
  write_lease(lease)
  return granted(lease)
end

local transient = request.peakBytes - request.targetBytes
local mine = {
  leaseId = request.leaseId,
  jobId = request.jobId,
  holder = request.holder,
  tenant = request.tenant,
  rank = request.rank,
  floorBytes = transient + request.minBytes,
  elasticBytes = request.targetBytes - request.minBytes,
  arrival = math.huge,
  sinceMs = now,
}
if mine.floorBytes > device.announced then
  redis.call('HDEL', KEYS[5], mine.leaseId)
  return cjson.encode({
    outcome = 'impossible',
    impossible = {
      neededBytes = mine.floorBytes,
      deviceId = request.deviceId,
      capacityBytes = device.announced,
      largestDeviceId = request.deviceId,
      largestCapacityBytes = device.announced,
    },
  })
end

-- Those who wait beside this job. Who needs more than the limit allows keeps a place, but no room is kept for it.
local waiting = read_waiting(now)
for _, entry in ipairs(waiting) do
  if entry.leaseId == mine.leaseId then
    mine.arrival, mine.sinceMs = entry.arrival, entry.sinceMs
  end
end
local others = {}
local position = 1
for _, entry in ipairs(waiting) do
  if entry.leaseId ~= mine.leaseId then
    if before(entry, mine) then
      position = position + 1
    end
    if entry.floorBytes <= device.capacity then
      others[#others + 1] = entry
    end
  end
end

local function held_by(tenant)
  return tonumber(redis.call('HGET', KEYS[4], tenant) or 0)
end

local function share_of(tenant)
  local share = policy.tenantShares[tenant] or policy.tenantShares['*'] or 1
  return math.floor(share * device.capacity)
end

-- Whether the least it needs stays within its tenant's share. The first lease of a tenant always does, or a job larger
-- than the share would never run. `ahead`: bytes of the tenant's own that come first.
local function within_share(entry, ahead)
  local base = held_by(entry.tenant) + ahead
  return base == 0 or base + entry.floorBytes <= share_of(entry.tenant)
end

-- Tenants that ask for no more than their share; only they can hold others to theirs.
local entitled = {}
for _, entry in ipairs(others) do
  if within_share(entry, 0) then
    entitled[entry.tenant] = true
  end
end
if within_share(mine, 0) then
  entitled[mine.tenant] = true
end
local function contested(tenant)
  for other in pairs(entitled) do
    if other ~= tenant then
      return true
    end
  end
  return false
end

-- Room is kept for who came before and has waited longer than the bound. Who has only its own tenant's share in the way
-- keeps no room from other tenants, but lets nobody of its own pass.
local reserved, ahead, behind_own = 0, 0, false
local waiting_floor, waiting_elastic = 0, 0
for _, entry in ipairs(others) do
  waiting_floor = waiting_floor + entry.floorBytes
  waiting_elastic = waiting_elastic + entry.elasticBytes
  if before(entry, mine) and now - entry.sinceMs >= policy.overtakeMs then
    local own = entry.tenant == mine.tenant
    if contested(entry.tenant) and not within_share(entry, 0) then
      behind_own = behind_own or own
    else
      reserved = reserved + entry.floorBytes
    end
    if own then
      ahead = ahead + entry.floorBytes
    end
  end
end

local free = device.capacity - device.held
local reason
if behind_own or (contested(mine.tenant) and not within_share(mine, ahead)) then
  reason = 'TENANT_SHARE'
elseif mine.floorBytes > free then
  reason = 'ROOM'
elseif mine.floorBytes > free - reserved then
  reason = 'QUEUE'
end

if reason then
  local retry = math.min(policy.maxRetryMs, policy.retryMs * position)
  if mine.arrival == math.huge then
    mine.arrival = redis.call('HINCRBY', KEYS[1], 'arrivals', 1)
  end
  mine.askByMs = now + retry + policy.waitGraceMs
  redis.call('HSET', KEYS[5], mine.leaseId, cjson.encode(mine))
  return cjson.encode({
    outcome = 'full',
    full = {
      reason = reason,
      retryAfterMs = retry,
      position = position,
      waitTtlMs = retry + policy.waitGraceMs,
    },
  })
end

-- Everyone's least comes before anyone's more. What is left after that is divided by how much more each could use.
local surplus = math.max(0, free - mine.floorBytes - waiting_floor)
local extra = 0
if mine.elasticBytes > 0 then
  extra = math.min(mine.elasticBytes, math.floor(surplus * (mine.elasticBytes / (mine.elasticBytes + waiting_elastic))))
end
if contested(mine.tenant) then
  local left = share_of(mine.tenant) - held_by(mine.tenant) - ahead - mine.floorBytes
  extra = math.max(0, math.min(extra, left))
end

-- Grows with every grant, and past those that were granted before Redis lost its data, if it did.
local token = math.max(tonumber(redis.call('HGET', KEYS[1], 'token') or 0) + 1, now)
redis.call('HSET', KEYS[1], 'token', token)
redis.call('HDEL', KEYS[5], mine.leaseId)
local lease = {
  leaseId = mine.leaseId,
  fencingToken = token,
  jobId = mine.jobId,
  holder = mine.holder,
  tenant = mine.tenant,
  bytes = mine.floorBytes + extra,
  grantedBytes = request.minBytes + extra,
  peakBytes = request.peakBytes,
  fullBytes = request.fullBytes,
  grantedAtMs = now,
  expiresAtMs = now + policy.leaseTtlMs,
}
write_lease(lease)
add_held(lease.tenant, lease.bytes)
return granted(lease)

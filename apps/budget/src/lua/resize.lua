-- Sets what a lease holds, and keeps it alive. Growing takes free room even where it is kept for those who wait: a running
-- job ends and returns everything, and it may not hold more than the peak it asked for.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] lease id  [2] fencing token  [3] bytes  [4] time to live, ms  [5] when to ask again if there is no room, ms
-- Output  JSON {outcome: 'held', held: {bytes, expiresAtMs, ttlMs}} | {outcome: 'full', full: {reason: 'ROOM', retryAfterMs,
--         position: 0, waitTtlMs: 0}} | refused GONE | refused STALE_TOKEN | refused OVER_PEAK
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
local lease, reason = read_lease(ARGV[1], ARGV[2])
if not lease then
  return refused(reason)
end
local bytes = tonumber(ARGV[3])
local ttl = tonumber(ARGV[4])
lease.expiresAtMs = now + ttl
local device = read_device(now)
local growth = bytes - lease.bytes
if growth > 0 then
  if bytes > lease.peakBytes then
    return refused('OVER_PEAK')
  end
  if growth > device.capacity - device.held then
    write_lease(lease)
    return cjson.encode({
      outcome = 'full',
      full = { reason = 'ROOM', retryAfterMs = tonumber(ARGV[5]), position = 0, waitTtlMs = 0 },
    })
  end
end
lease.bytes = bytes
write_lease(lease)
add_held(lease.tenant, growth)
return cjson.encode({
  outcome = 'held',
  held = { bytes = bytes, expiresAtMs = lease.expiresAtMs, ttlMs = ttl },
})

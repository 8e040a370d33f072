-- Keeps a lease alive for another time to live.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] lease id  [2] fencing token  [3] time to live, ms
-- Output  JSON {outcome: 'held', held: {bytes, expiresAtMs, ttlMs}} | refused GONE | refused STALE_TOKEN
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
local lease, reason = read_lease(ARGV[1], ARGV[2])
if not lease then
  return refused(reason)
end
lease.expiresAtMs = now + tonumber(ARGV[3])
write_lease(lease)
return cjson.encode({
  outcome = 'held',
  held = { bytes = lease.bytes, expiresAtMs = lease.expiresAtMs, ttlMs = tonumber(ARGV[3]) },
})

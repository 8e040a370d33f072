-- Ends a lease. One that is gone already counts as released, so the call may be repeated.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] lease id  [2] fencing token
-- Output  JSON {outcome: 'released', released: {bytes}} | refused STALE_TOKEN
--@include clock.lua
--@include device.lua

collect_expired(clock_ms())
local lease, reason = read_lease(ARGV[1], ARGV[2])
if lease then
  end_lease(lease)
elseif reason ~= 'GONE' then
  return refused(reason)
end
return cjson.encode({ outcome = 'released', released = { bytes = lease and lease.bytes or 0 } })

-- Puts a limit below what a device announces, or lifts it. Never ends a lease: a device above its limit only takes
-- nothing new until enough has returned.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] limit in bytes, or '' for none
-- Output  JSON {outcome: 'capacity', capacity: {capacityBytes, heldBytes}} | refused UNKNOWN_DEVICE
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
if not read_device(now) then
  return refused('UNKNOWN_DEVICE')
end
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'limit')
else
  redis.call('HSET', KEYS[1], 'limit', ARGV[1])
end
local device = read_device(now)
return cjson.encode({
  outcome = 'capacity',
  capacity = { capacityBytes = device.capacity, heldBytes = device.held },
})

-- What a device is without its leases, for who looks at all devices at once.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    none
-- Output  nil when the device is unknown, else JSON {workerId, live, announcedBytes, capacityBytes, heldBytes, expiredLeases}
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
local device = read_device(now)
return device and cjson.encode(summary_of(device))

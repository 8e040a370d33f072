-- What stands on a device.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    none
-- Output  nil when the device is unknown, else [JSON {workerId, live, announcedBytes, capacityBytes, heldBytes,
--         expiredLeases}, [JSON of a lease ...], [JSON of one that waits ...]]
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
local device = read_device(now)
if not device then
  return nil
end
local waiting = {}
for _, entry in ipairs(read_waiting(now)) do
  waiting[#waiting + 1] = cjson.encode(entry)
end
return { cjson.encode(summary_of(device)), redis.call('HVALS', KEYS[2]), waiting }

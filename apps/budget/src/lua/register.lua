-- Announces a device, or keeps it alive. What is held there stays as it is.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] worker id  [2] announced bytes  [3] time to live of the announcement, ms
-- Output  JSON {capacityBytes, heldBytes}
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
redis.call('HSET', KEYS[1], 'worker', ARGV[1], 'announced', ARGV[2], 'expiresAt', now + tonumber(ARGV[3]))
local device = read_device(now)
return cjson.encode({ capacityBytes = device.capacity, heldBytes = device.held })

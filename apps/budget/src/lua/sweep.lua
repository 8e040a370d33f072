-- Ends leases that were not renewed in time, drops those who stopped asking, and forgets a device that was not announced
-- for long, holds nothing and has no limit to remember.
--
-- KEYS    the five keys of a device (includes/device.lua)
-- ARGV    [1] forget a device this long after its announcement ran out, ms
-- Output  JSON {expired: leases that ended since the last sweep, by whichever script, forgotten: boolean}
--@include clock.lua
--@include device.lua

local now = clock_ms()
collect_expired(now)
read_waiting(now)
local fields = redis.call('HMGET', KEYS[1], 'expiresAt', 'limit', 'expired', 'reported')
local expired = tonumber(fields[3] or 0) - tonumber(fields[4] or 0)
if expired > 0 then
  redis.call('HSET', KEYS[1], 'reported', fields[3])
end
local forgotten = not fields[1]
  or (
    tonumber(fields[1]) + tonumber(ARGV[1]) <= now
    and not fields[2]
    and redis.call('HLEN', KEYS[2]) == 0
  )
if forgotten then
  redis.call('DEL', unpack(KEYS))
end
return cjson.encode({ expired = expired, forgotten = forgotten })

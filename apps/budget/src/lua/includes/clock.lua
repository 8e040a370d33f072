-- Milliseconds since 1970 on Redis's own clock: the only clock that leases know.
local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

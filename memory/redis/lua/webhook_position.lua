-- What a webhook's hash says. Fields: number, the newest entry settled; owner and until_ms, who tells and for how long;
-- failures, since_ms and due_ms, how often telling failed since it last succeeded, from when on, and when it is due.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- {number, failures, milliseconds since the first of them, milliseconds until the next attempt}
local function position(key, now)
  local told = redis.call('HMGET', key, 'number', 'failures', 'since_ms', 'due_ms')
  return {tonumber(told[1]), tonumber(told[2] or 0), now - (told[3] or now), math.max(0, (told[4] or now) - now)}
end

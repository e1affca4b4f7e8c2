--!include clock
-- A new epoch for a thread: greater than any given out, even where Redis lost or deleted the last one, because it's
-- at least the time in microseconds.
-- key: the thread's epoch
local function advance(key)
  local epoch = math.max(tonumber(redis.call('GET', key) or '0') + 1, tonumber(now_us))
  redis.call('SET', key, string.format('%d', epoch))
  return epoch
end

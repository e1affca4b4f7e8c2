-- Note that threads exist, or are about to.
-- KEYS: threads   ARGV: ids of threads
-- Returns how many were not known.
local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
local fresh = 0
for _, thread in ipairs(ARGV) do
  fresh = fresh + redis.call('ZADD', KEYS[1], now_us, thread)
end
return fresh

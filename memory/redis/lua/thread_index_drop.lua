-- Forget threads that weren't there, but for those noted lately, which may be about to be made.
-- KEYS: threads   ARGV: milliseconds that count as lately, then ids of threads
-- Returns how many were forgotten.
local time = redis.call('TIME')
local before_us = time[1] * 1000000 + time[2] - ARGV[1] * 1000
local gone = 0
for i = 2, #ARGV do
  local noted_us = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if noted_us and tonumber(noted_us) <= before_us then
    gone = gone + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return gone

-- Extend a lease.
-- KEYS: run, the thread's epoch   ARGV: epoch, lease in milliseconds
-- Returns 1, or 0 when the epoch is old.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local deadline_ms = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'deadline_ms', string.format('%d', deadline_ms))
return 1

-- Extend a lease, note what was spent, and say whether the run must end.
-- KEYS: run, the thread's epoch   ARGV: epoch, lease in milliseconds, what was spent as JSON, or ''
-- Returns nil when the epoch is old, else '' or how the run must be ended: interrupt or rollback.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return false
end
local time = redis.call('TIME')
local deadline_ms = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'deadline_ms', string.format('%d', deadline_ms))
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'spent', ARGV[3])
end
return redis.call('HGET', KEYS[1], 'cancel') or ''

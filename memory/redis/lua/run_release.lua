--!include epochs
-- Give a run back that its worker can't go on with; it doesn't count as lost.
-- KEYS: run, the thread's epoch   ARGV: epoch, what was spent as JSON, or ''
-- Returns nil when the epoch is old, {'cancelled', how} when the run must be ended instead, else {'ready'}.
local run = KEYS[1]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return false
end
local cancel = redis.call('HGET', run, 'cancel') or ''
if cancel ~= '' then
  return {'cancelled', cancel}
end
local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
advance(KEYS[2])
redis.call('HSET', run, 'status', 'pending', 'updated_us', now_us, 'ready_us', now_us)
if ARGV[2] ~= '' then
  redis.call('HSET', run, 'spent', ARGV[2])
end
return {'ready'}

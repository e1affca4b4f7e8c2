--!include epochs
-- Note what waits after a thread's state was changed by hand, and release the next run if nothing does.
-- KEYS: thread, queue, the thread's epoch   ARGV: epoch, interrupts that wait as JSON pairs
-- Returns nil when the epoch is old, else {id of the run that may start now or '', milliseconds now}.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return false
end
local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
local released = ARGV[2] == '[]' and redis.call('LINDEX', KEYS[2], 0) or ''
advance(KEYS[3])
redis.call('HSET', KEYS[1], 'interrupts', ARGV[2], 'active', released, 'updated_us', now_us, 'error', '',
  'status', ARGV[2] ~= '[]' and 'interrupted' or released ~= '' and 'busy' or 'idle')
return {released, string.sub(now_us, 1, -4)}

-- Record a thread unless its id is taken.
-- KEYS: thread   ARGV: metadata JSON, names of the fields to return
-- Returns {1 if it was made, 0 if it was there; the fields named}.
local made = redis.call('EXISTS', KEYS[1]) == 0
if made then
  local time = redis.call('TIME')
  local now_us = time[1] .. string.format('%06d', time[2])
  redis.call('HSET', KEYS[1], 'created_us', now_us, 'updated_us', now_us, 'status', 'idle',
    'metadata', ARGV[1], 'interrupts', '[]', 'error', '', 'active', '')
end
return {made and 1 or 0, redis.call('HMGET', KEYS[1], unpack(ARGV, 2))}

--!include webhook_position
-- Note an attempt that failed.
-- KEYS: webhook   ARGV: owner, ms until it is made again
-- Returns nil if another tells by now, else the position.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return false
end
local now = now_ms()
redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('HSETNX', KEYS[1], 'since_ms', string.format('%.0f', now))
redis.call('HSET', KEYS[1], 'due_ms', string.format('%.0f', now + ARGV[2]))
return position(KEYS[1], now)

--!include webhook_position
-- Become the one who tells, or stay it.
-- KEYS: webhook   ARGV: owner, lease in ms, number to begin with, seconds for which the hash is kept
-- Returns nil while another tells, else the position.
local now = now_ms()
local held = redis.call('HMGET', KEYS[1], 'owner', 'until_ms')
if held[1] and held[1] ~= ARGV[1] and tonumber(held[2]) > now then
  return false
end
redis.call('HSETNX', KEYS[1], 'number', ARGV[3])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until_ms', string.format('%.0f', now + ARGV[2]))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return position(KEYS[1], now)

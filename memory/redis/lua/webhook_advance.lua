-- Settle all entries up to a number.
-- KEYS: webhook   ARGV: owner, number, 1 if it was delivered and 0 if it was given up
-- Returns 1, or 0 if another tells by now.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'number', ARGV[2])
redis.call('HDEL', KEYS[1], 'due_ms')
if ARGV[3] == '1' then
  redis.call('HDEL', KEYS[1], 'failures', 'since_ms')
end
return 1

-- Let another tell at once.
-- KEYS: webhook   ARGV: owner
-- Returns nothing.
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'owner', 'until_ms')
end

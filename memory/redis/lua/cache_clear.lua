-- Drop whole namespaces of the cache.
-- KEYS[1] namespaces; then entries and expiries of each namespace, in turn
-- ARGV: the namespaces' names
-- Returns nothing.
for i = 1, #ARGV do
  redis.call('UNLINK', KEYS[2 * i], KEYS[2 * i + 1])
  redis.call('ZREM', KEYS[1], ARGV[i])
end

-- The tenant's secret, which is the first one that anybody proposed.
-- KEYS: secret   ARGV: a secret
-- Returns it.
redis.call('SETNX', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])

-- Make a version of a dataset its newest. One that is there stays as it is: the same hash says the same.
-- KEYS: `Keys.datasets()`, then `Keys.dataset(name)`
-- ARGV: dataset, version, what is told of it, its examples, and perhaps the version that must be the newest ('': none)
-- Returns what is told of the version that is kept, or nil, which changes nothing, and which was the newest, or ''.
local newest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if ARGV[5] and ARGV[5] ~= (newest[1] or '') then
  return {false, newest[1] or ''}
end
if redis.call('HSETNX', KEYS[3], ARGV[2], ARGV[3]) == 1 then
  redis.call('HSET', KEYS[4], ARGV[2], ARGV[4])
end
if newest[1] ~= ARGV[2] then
  redis.call('ZADD', KEYS[2], (newest[2] or 0) + 1, ARGV[2])
end
local told = redis.call('HGET', KEYS[3], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], told)
return {told, newest[1] or ''}

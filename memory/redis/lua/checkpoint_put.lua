-- Record a checkpoint with the values that are new in it.
-- KEYS: namespaces, ids, records, blobs
-- ARGV: namespace, id, parent id or "", checkpoint, metadata, number of refs, refs…, then ref, value, …
redis.call('SADD', KEYS[1], ARGV[1])
local refs, count = {}, tonumber(ARGV[6])
for i = 1, count do
  refs[i] = ARGV[6 + i]
end
for i = 7 + count, #ARGV, 2 do
  redis.call('HSETNX', KEYS[4], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[3], ARGV[2], cmsgpack.pack({ARGV[3], ARGV[4], ARGV[5], refs}))
redis.call('ZADD', KEYS[2], 0, ARGV[2])

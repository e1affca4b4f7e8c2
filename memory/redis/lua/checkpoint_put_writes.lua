-- Record what a task wrote on top of a checkpoint. Ordinary writes (index >= 0) are kept as first written;
-- special ones (errors, interrupts, resumes; index < 0) replace what was there.
-- KEYS: namespaces, writes, order
-- ARGV: namespace, checkpoint id, task id, task path, then index, channel, value, …
redis.call('SADD', KEYS[1], ARGV[1])
for i = 5, #ARGV, 3 do
  local index = tonumber(ARGV[i])
  local field = ARGV[2] .. '\0' .. ARGV[3] .. '\0' .. ARGV[i]
  local write = cmsgpack.pack({ARGV[4], ARGV[3], index, ARGV[i + 1], ARGV[i + 2]})
  redis.call(index < 0 and 'HSET' or 'HSETNX', KEYS[2], field, write)
  redis.call('ZADD', KEYS[3], 0, field)
end

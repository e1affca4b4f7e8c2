--!include fence
--!include checkpoint_expiry
-- Record what a task wrote on top of a checkpoint. Ordinary writes (index >= 0) are kept as first written;
-- special ones (errors, interrupts, resumes; index < 0) replace what was there.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', ttl or '', then of each write namespace NUL checkpoint id NUL task id NUL index, index, the rest
-- Returns 1, or 0 if the epoch is old: then nothing changed.
local writes = KEYS[5]
if stale(KEYS[7], ARGV[1]) then
  return 0
end
for i = 3, #ARGV, 3 do
  local place, index = ARGV[i], ARGV[i + 1]
  local there = redis.call('ZRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1', 'LIMIT', 0, 1)[1]
  local write = place .. '\0' .. ARGV[i + 2]
  if not there then
    redis.call('ZADD', writes, 0, write)
  elseif tonumber(index) < 0 and there ~= write then
    redis.call('ZREM', writes, there)
    redis.call('ZADD', writes, 0, write)
  end
end
expire(KEYS, KEYS[1], writes, ARGV[2])
return 1

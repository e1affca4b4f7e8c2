--!include fence
-- Replace a thread's checkpoints by what DUMP gave of another's.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', ttl in milliseconds, 0 for none, then a dump or '' for each key but the epoch
-- Returns the ids of the runs that wrote what is gone, or nil if the claim is stale: then nothing changed.
if stale(KEYS[7], ARGV[1]) then
  return false
end
local replaced = redis.call('SMEMBERS', KEYS[6])
redis.call('UNLINK', unpack(KEYS, 1, 6))
for i = 1, 6 do
  if ARGV[i + 2] ~= '' then
    redis.call('RESTORE', KEYS[i], ARGV[2], ARGV[i + 2])
  end
end
return replaced

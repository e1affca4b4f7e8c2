--!include fence
-- Delete a thread's checkpoints. For a claim all but the epoch: the claim goes on. For a writer without one the epoch,
-- too, so whoever works on the thread is shut out and brings nothing back.
-- KEYS: ids, records, values, elements, writes, runs, epoch   ARGV: epoch or ''
-- Returns the ids of the runs that wrote them, or nil if the claim is stale: then nothing changed.
if stale(KEYS[7], ARGV[1]) then
  return false
end
local runs = redis.call('SMEMBERS', KEYS[6])
redis.call('UNLINK', unpack(KEYS, 1, ARGV[1] == '' and 7 or 6))
return runs

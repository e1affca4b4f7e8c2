--!include fence
-- Delete a thread's checkpoints; for a claim, all but the epoch, which goes on keeping older claims out.
-- KEYS: ids, records, values, elements, writes, runs, epoch   ARGV: epoch or ''
-- Returns the ids of the runs that wrote them, or nil if the epoch is old: then nothing changed.
if stale(KEYS[7], ARGV[1]) then
  return false
end
local runs = redis.call('SMEMBERS', KEYS[6])
redis.call('UNLINK', unpack(KEYS, 1, ARGV[1] == '' and 7 or 6))
return runs

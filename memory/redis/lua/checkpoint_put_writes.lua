--!include fence
--!include checkpoint_expiry
--!include checkpoint_writing
-- Record what tasks wrote on top of checkpoints.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', ttl or '', run id or '', then the writes, as `record_writes` takes them
-- Returns 1, or 0 if the claim is stale: then nothing changed.
if stale(KEYS[7], ARGV[1]) then
  return 0
end
record_writes(KEYS[2], KEYS[5], ARGV[3], 4, #ARGV)
expire(KEYS, KEYS[1], KEYS[5], ARGV[2])
return 1

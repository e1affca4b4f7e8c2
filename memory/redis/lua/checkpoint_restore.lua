-- Replace a thread's checkpoints by what DUMP gave of another's. Returns the ids of the runs that wrote what is gone.
-- KEYS: ids, records, values, elements, writes, runs   ARGV: ttl in milliseconds, 0 for none, then a dump or '' for each key
local replaced = redis.call('SMEMBERS', KEYS[6])
redis.call('UNLINK', unpack(KEYS))
for i, key in ipairs(KEYS) do
  if ARGV[i + 1] ~= '' then
    redis.call('RESTORE', key, ARGV[1], ARGV[i + 1])
  end
end
return replaced

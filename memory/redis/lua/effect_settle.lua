--!include effect_put
-- Record what became of an effect that was begun.
-- KEYS: effects, the thread's epoch   ARGV: epoch, field, record, or '' for none, ttl in milliseconds
-- Returns 1, or 0 when the epoch is old.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
put(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
return 1

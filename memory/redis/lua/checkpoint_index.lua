-- Note that a run writes checkpoints to threads.
-- KEYS: the run's threads   ARGV: ttl in milliseconds or '', thread ids
redis.call('SADD', KEYS[1], unpack(ARGV, 2))
if ARGV[1] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end

-- Note that a run writes checkpoints to a thread.
-- KEYS: the run's threads   ARGV: thread id, ttl in milliseconds or ''
redis.call('SADD', KEYS[1], ARGV[1])
if ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end

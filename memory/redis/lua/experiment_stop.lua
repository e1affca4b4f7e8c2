-- Say why an experiment goes on no more; '' if it goes on again.
-- KEYS: the first of `Keys.experiment(id)`   ARGV: why
-- Returns 1, or 0 where there is no such experiment.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'stopped', ARGV[1])
return 1

-- Keep what came of a trial, with its trajectory: once, whoever else tries.
-- KEYS: `Keys.experiment(id)`   ARGV: the trial's key, its result, its trajectory or ''
-- Returns 1, 0 where the trial has a result, which stays, or nil where there is no such experiment.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then
  return 0
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
end
return 1

-- Keep an experiment's plan, unless there is one of that id.
-- KEYS: `Keys.experiments()`, then the first of `Keys.experiment(id)`   ARGV: id, plan
-- Returns 1, or 0 where there is one.
if redis.call('HSETNX', KEYS[2], 'plan', ARGV[2]) == 0 then
  return 0
end
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('ZADD', KEYS[1], (newest[2] or 0) + 1, ARGV[1])
return 1

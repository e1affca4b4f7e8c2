-- Add records to a run's trajectory.
-- KEYS: trajectory
-- ARGV: seconds to keep it from now on, then the records
-- Returns 1.
for i = 2, #ARGV, 1000 do
  redis.call('RPUSH', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1

--!include approvals
-- Record what came of a decision, by the run that acts on it.
-- KEYS: approvals, journal, the thread's epoch   ARGV: epoch, approval, run id, outcome as JSON, detail as JSON
-- Returns nil when the epoch is old.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return false
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[2] .. ':outcome', ARGV[4])
note({approvals = KEYS[1], journal = KEYS[2]}, time[1] .. string.format('%06d', time[2]), 'ran', ARGV[2], ARGV[3], '',
  ARGV[5])
return 1

--!include approvals
-- Record what came of a decision, by the run that acts on it; once, however often that is told.
-- KEYS: approvals, journal, the thread's epoch   ARGV: epoch, approval, run id, outcome as JSON, detail as JSON
-- Returns nil when the epoch is old.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return false
end
local known, now = redis.call('HGET', KEYS[1], ARGV[2] .. ':outcome'), cjson.decode(ARGV[4])
if known then
  known = cjson.decode(known)
  if known.status == now.status and known.result_sha256 == now.result_sha256 then
    return 1 -- told again after a crash
  end
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[2] .. ':outcome', ARGV[4])
note({approvals = KEYS[1], journal = KEYS[2]}, time[1] .. string.format('%06d', time[2]), 'ran', ARGV[2], ARGV[3], '',
  ARGV[5])
return 1

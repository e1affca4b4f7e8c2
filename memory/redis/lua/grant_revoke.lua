--!include approvals
-- Take a grant back.
-- KEYS: grants, approvals, journal   ARGV: grant id, who as JSON
-- Returns 0 for no such grant.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
note({approvals = KEYS[2], journal = KEYS[3]}, time[1] .. string.format('%06d', time[2]), 'revoked', ARGV[1], '', ARGV[2], '')
return 1

--!include approvals
-- Note that an approval was shown to somebody.
-- KEYS: approvals, journal   ARGV: approval, who as JSON
-- Returns 0 for no such approval.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
note({approvals = KEYS[1], journal = KEYS[2]}, time[1] .. string.format('%06d', time[2]), 'seen', ARGV[1], '', ARGV[2], '')
return 1

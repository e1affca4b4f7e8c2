--!include approvals
-- Note that an approval was shown to somebody, the first time: whoever looks every second saw it once.
-- KEYS: approvals, journal   ARGV: approval, who as JSON
-- Returns 0 for no such approval.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
if redis.call('HSETNX', KEYS[1], ARGV[1] .. ':seen:' .. ARGV[2], now_us) == 1 then
  note({approvals = KEYS[1], journal = KEYS[2]}, now_us, 'seen', ARGV[1], '', ARGV[2], '')
end
return 1

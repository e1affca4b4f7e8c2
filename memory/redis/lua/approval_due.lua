-- Take threads whose approvals want looking at.
-- KEYS: attention   ARGV: now in milliseconds, until when they are the caller's, how many at most
-- Returns their ids.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, thread in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], thread)
end
return due

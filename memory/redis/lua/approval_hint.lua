-- Note that something is about to happen to the approvals of a thread, so that whoever attends to them looks.
-- KEYS: attention, approvals of all   ARGV: thread id, when to look in milliseconds, how many of the newest approvals
--       stay listed, then the milliseconds and the id of each new approval
local at, before = tonumber(ARGV[2]), tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or nil)
if before and before <= at then
  at = before - 1 -- whoever looks at the thread now sees by another time that something happened
end
redis.call('ZADD', KEYS[1], at, ARGV[1])
for i = 4, #ARGV, 2 do
  redis.call('ZADD', KEYS[2], 'NX', ARGV[i], ARGV[i + 1])
end
if #ARGV > 3 then
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
end
return 1

-- Note when a thread that was looked at is to be looked at again, unless something happened to it meanwhile.
-- KEYS: attention   ARGV: thread id, until when it was the caller's, when to look again in milliseconds, or ''
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then
  return 0
end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1

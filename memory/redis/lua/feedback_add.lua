--!include feedback_forgetting
-- Keep a piece of feedback; what is too old goes.
-- KEYS: items, order, index, used, as `Keys.feedback` has them
-- ARGV: id, JSON, run NUL thread NUL key NUL time (16 digits of microseconds), milliseconds to keep it all from now on,
--       the right that is used up, or '', milliseconds since 1970 at which that ends
-- Returns 'kept', 'there' if the id is taken, 'used' if the right was used, or 'over' if it ended by this clock, by
-- which is forgotten that it was used: these change nothing.
local k, id, keep_ms, nonce, ends_ms = KEYS, ARGV[1], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if nonce ~= '' and redis.call('ZSCORE', k[4], nonce) then
  return 'used'
end
if nonce ~= '' and ends_ms <= now_ms then
  return 'over'
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', k[2], '-inf', now_ms - keep_ms, 'LIMIT', 0, 100)) do
  forget_feedback(k, old)
end
if redis.call('HEXISTS', k[1], id) == 1 then
  return 'there'
end
if nonce ~= '' then
  redis.call('ZREMRANGEBYSCORE', k[4], '-inf', now_ms)
  redis.call('ZADD', k[4], ends_ms, nonce)
  redis.call('PEXPIREAT', k[4], redis.call('ZRANGE', k[4], -1, -1, 'WITHSCORES')[2])
end
redis.call('HSET', k[1], id, ARGV[2], id .. '\0', ARGV[3])
redis.call('ZADD', k[2], now_ms, id)
for _, row in ipairs(rows_of(id, ARGV[3])) do
  redis.call('ZADD', k[3], 0, row)
end
for i = 1, 3 do
  redis.call('PEXPIRE', k[i], keep_ms)
end
return 'kept'

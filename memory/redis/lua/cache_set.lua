-- Store entries of the cache, and drop expired ones from the same namespaces.
-- KEYS[1] namespaces; then entries and expiries of each namespace, in turn
-- ARGV[1] how many namespaces; their names; then for each entry: the number of its namespace, its key, its life in
-- ms ('' for ever), its value
-- Returns nothing.
local SWEPT = 100
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local namespaces = tonumber(ARGV[1])

-- The last score of a sorted set; a set whose scores are all past is as good as empty.
local function last(key)
  return tonumber(redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2] or 0)
end

local function live_until(key, at)
  if at == math.huge then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIREAT', key, string.format('%.0f', at))
  end
end

for i = namespaces + 2, #ARGV, 4 do
  local pair, key, life, value = 2 * ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  redis.call('HSET', KEYS[pair], key, value)
  if life == '' then
    redis.call('ZREM', KEYS[pair + 1], key)
  else
    redis.call('ZADD', KEYS[pair + 1], string.format('%.0f', now + life), key)
  end
end

for i = 1, namespaces do
  local entries, expiries = KEYS[2 * i], KEYS[2 * i + 1]
  local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, SWEPT)
  if #expired > 0 then
    redis.call('HDEL', entries, unpack(expired))
    redis.call('ZREM', expiries, unpack(expired))
  end
  local at = last(expiries)
  if redis.call('HLEN', entries) > redis.call('ZCARD', expiries) then
    at = math.huge
  end
  live_until(entries, at)
  live_until(expiries, at)
  redis.call('ZADD', KEYS[1], at == math.huge and '+inf' or string.format('%.0f', at), ARGV[i + 1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
live_until(KEYS[1], last(KEYS[1]))

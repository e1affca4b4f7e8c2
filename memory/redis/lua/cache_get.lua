-- Entries of the cache that have not expired, by the server's clock.
-- KEYS: entries and expiries of each namespace, in turn
-- ARGV: for each entry wanted: the number of its namespace among KEYS' pairs, from 1; its key
-- Returns the values in the order asked for; false for what isn't there.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local found = {}
for i = 1, #ARGV, 2 do
  local pair = 2 * ARGV[i]
  local expiry = redis.call('ZSCORE', KEYS[pair], ARGV[i + 1])
  if expiry and tonumber(expiry) <= now then
    found[#found + 1] = false
  else
    found[#found + 1] = redis.call('HGET', KEYS[pair - 1], ARGV[i + 1])
  end
end
return found

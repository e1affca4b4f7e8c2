-- Drop the entries of a thread's list that the tenant's journal has.
-- KEYS: journal   ARGV: number of the last one that it has
-- Returns how many were dropped.
local dropped = 0
local first = redis.call('LINDEX', KEYS[1], 0)
while first and tonumber(cjson.decode(first)[1]) <= tonumber(ARGV[1]) do
  redis.call('LPOP', KEYS[1])
  dropped = dropped + 1
  first = redis.call('LINDEX', KEYS[1], 0)
end
return dropped

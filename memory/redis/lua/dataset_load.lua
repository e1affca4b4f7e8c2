-- A version of a dataset.
-- KEYS: `Keys.dataset(name)`   ARGV: the version, or how it begins; '' for the newest
-- Returns {the versions meant, the newest first}, and, if that is one, what is told of it and its examples.
local found = {}
if ARGV[1] == '' then
  found = redis.call('ZREVRANGE', KEYS[1], 0, 0)
elseif redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  found = {ARGV[1]}
else
  for _, version in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
    if string.sub(version, 1, #ARGV[1]) == ARGV[1] then
      found[#found + 1] = version
    end
  end
end
if #found ~= 1 then
  return {found}
end
return {found, redis.call('HGET', KEYS[2], found[1]), redis.call('HGET', KEYS[3], found[1])}

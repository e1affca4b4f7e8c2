-- Delete a thread's checkpoints, unless it has got a namespace whose keys the caller didn't name.
-- KEYS: namespaces, then every part of every namespace the caller knows
-- ARGV: the namespaces the caller knows
-- Returns 1 if all is deleted, 0 if the caller must look again.
local known = {}
for _, namespace in ipairs(ARGV) do
  known[namespace] = true
end
for _, namespace in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if not known[namespace] then
    return 0
  end
end
for _, key in ipairs(KEYS) do
  redis.call('UNLINK', key)
end
return 1

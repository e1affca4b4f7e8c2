-- Forget which entry of a thread was taken last, if it is still this one: the thread's list has it no more.
-- KEYS: audit_head   ARGV: thread, number of the entry
-- Returns how many fields went.
local field = 'taken:' .. ARGV[1]
if redis.call('HGET', KEYS[1], field) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], field)

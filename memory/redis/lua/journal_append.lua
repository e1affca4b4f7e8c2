-- Add entries to the tenant's journal, if it still ends where the caller thinks it does.
-- KEYS: audit, audit_head, open
-- ARGV: number and hash of the last entry ('' for none), hash of the last of the new ones, their thread, which number
--       the last of them has in the thread's list, then of each entry: line, approval, and since when that is open in
--       milliseconds, 'closed' if it no longer is, or '' if the entry changes nothing of that
-- Returns 0 if it ends elsewhere, 1 when it is done.
local head = redis.call('HMGET', KEYS[2], 'number', 'hash')
if (head[1] or '0') ~= ARGV[1] or (head[2] or '') ~= ARGV[2] then
  return 0
end
local number = tonumber(ARGV[1])
for i = 6, #ARGV, 3 do
  number = number + 1
  redis.call('XADD', KEYS[1], string.format('%d-0', number), 'line', ARGV[i])
  if ARGV[i + 2] == 'closed' then
    redis.call('ZREM', KEYS[3], ARGV[i + 1])
  elseif ARGV[i + 2] ~= '' then
    redis.call('ZADD', KEYS[3], ARGV[i + 2], ARGV[i + 1])
  end
end
redis.call('HSET', KEYS[2], 'number', string.format('%d', number), 'hash', ARGV[3], 'taken:' .. ARGV[4], ARGV[5])
return 1

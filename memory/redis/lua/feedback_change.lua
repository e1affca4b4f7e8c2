-- Put a piece of feedback in the place of what it was.
-- KEYS: items, order, index, as `Keys.feedback` has them
-- ARGV: id, JSON as it was read, JSON, milliseconds to keep it all from now on
-- Returns 'kept', 'gone', or 'other' if it isn't as it was read.
local now = redis.call('HGET', KEYS[1], ARGV[1])
if not now then
  return 'gone'
end
if now ~= ARGV[2] then
  return 'other'
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], ARGV[4])
end
return 'kept'

--!include epochs
-- Give a run back that its worker can't go on with; it doesn't count as lost.
-- KEYS: run, the thread's epoch   ARGV: epoch
-- Returns nil when the epoch is old, else milliseconds now.
local run = KEYS[1]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return false
end
local time = redis.call('TIME')
advance(KEYS[2])
redis.call('HINCRBY', run, 'given_back', 1)
redis.call('HSET', run, 'status', 'pending', 'updated_us', time[1] .. string.format('%06d', time[2]))
return string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))

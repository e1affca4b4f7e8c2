--!include epochs
-- Start the run its thread works on, if it waits for a worker.
-- KEYS: thread, run, the thread's epoch   ARGV: run id, worker, lease in milliseconds
-- Returns {epoch, attempt, request JSON}, or nil when the hint that led here is out of date.
local thread, run = KEYS[1], KEYS[2]
if redis.call('HGET', thread, 'active') ~= ARGV[1] or redis.call('HGET', run, 'status') ~= 'pending' then
  return false
end
local time = redis.call('TIME')
local deadline_ms = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
redis.call('HSET', run, 'status', 'running', 'worker', ARGV[2], 'deadline_ms', string.format('%d', deadline_ms),
  'updated_us', time[1] .. string.format('%06d', time[2]))
return {advance(KEYS[3]), redis.call('HINCRBY', run, 'attempt', 1),
  redis.call('HGET', run, 'request')}

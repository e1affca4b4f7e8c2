--!include epochs
-- Take a run from a worker whose lease ran out.
-- KEYS: run, the thread's epoch   ARGV: lease in milliseconds, greatest number of attempts
-- Returns nil when the lease holds; {'pending', milliseconds now} when another worker may claim the run;
--         {'lost', epoch, attempts} when it was tried often enough: the caller holds it with that epoch, to end it.
local run = KEYS[1]
local state = redis.call('HMGET', run, 'status', 'deadline_ms', 'attempt', 'given_back')
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if state[1] ~= 'running' or now_ms < tonumber(state[2]) then
  return false
end
local epoch = advance(KEYS[2])
-- An attempt that was given back in order is no sign of a run that kills its workers.
if tonumber(state[3]) - tonumber(state[4] or 0) >= tonumber(ARGV[2]) then
  redis.call('HSET', run, 'deadline_ms', string.format('%d', now_ms + tonumber(ARGV[1])))
  return {'lost', epoch, tonumber(state[3])}
end
redis.call('HSET', run, 'status', 'pending', 'updated_us', time[1] .. string.format('%06d', time[2]))
return {'pending', string.format('%d', now_ms)}

--!include run_starting
-- Start the run its thread works on, if it waits for a worker.
-- KEYS: thread, run, the thread's epoch   ARGV: run id, worker, lease in milliseconds
-- Returns what `start` does, or nil when the hint that led here is out of date.
if redis.call('HGET', KEYS[1], 'active') ~= ARGV[1] or redis.call('HGET', KEYS[2], 'status') ~= 'pending' then
  return false
end
return start(KEYS[2], KEYS[3], ARGV[2], ARGV[3])

--!include events
-- Add events to a run's stream.
-- KEYS: events, the thread's epoch, run
-- ARGV: epoch, how many events to keep at least, the run's news channel, then name and data of each event
-- Returns the ids of the events, in order, or nil when the epoch is old.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return false
end
return publish(KEYS[1], KEYS[3], ARGV[2], events_at(4, #ARGV), ARGV[3])

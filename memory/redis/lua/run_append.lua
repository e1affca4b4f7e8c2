-- Add events to a run's stream.
-- KEYS: events, the thread's epoch   ARGV: epoch, how many events to keep at least, then name and data of each event
-- Returns 1, or 0 when the epoch is old.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'name', ARGV[i], 'data', ARGV[i + 1])
end
return 1

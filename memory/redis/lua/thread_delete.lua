--!include epochs
-- Forget a thread with all that belongs to it; whoever works on it is shut out.
-- KEYS: thread, queue, the thread's epoch, runs, effects, six of its checkpoints, then run and events of each known run
-- ARGV: milliseconds for which its epoch outlives it, then ids of the known runs
-- Returns {'none'}, {'again', ids of its runs} when others are known, or {'gone', runs that wrote checkpoints}.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'none'}
end
local found = redis.call('ZRANGE', KEYS[4], 0, -1)
for i = 1, math.max(#found, #ARGV - 1) do
  if found[i] ~= ARGV[i + 1] then
    return {'again', found}
  end
end
local wrote = redis.call('SMEMBERS', KEYS[11])
advance(KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
for i = 1, #KEYS do
  if i ~= 3 then
    redis.call('DEL', KEYS[i])
  end
end
return {'gone', wrote}

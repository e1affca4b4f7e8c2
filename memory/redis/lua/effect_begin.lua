--!include effect_put
-- Begin an effect, or say what is known of it.
-- KEYS: effects, the thread's epoch
-- ARGV: epoch, field, attempt, run id, '1' to begin again what was started before, ttl in milliseconds
-- Returns 0 when the epoch is old, 1 when the effect was begun, else the record found:
-- `w` epoch, attempt, time in microseconds, run id, with blanks between; or `d`, encoding, NUL, result.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
local found = redis.call('HGET', KEYS[1], ARGV[2])
if found and found:sub(1, 1) == 'd' then
  return found
end
if found and ARGV[5] ~= '1' then
  found = 'w' .. found:sub(2)
  put(KEYS[1], ARGV[2], found, ARGV[6])
  return found
end
local time = redis.call('TIME')
local started = string.format('s%s %s %s%06d %s', ARGV[1], ARGV[3], time[1], tonumber(time[2]), ARGV[4])
put(KEYS[1], ARGV[2], started, ARGV[6])
return 1

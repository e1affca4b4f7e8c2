-- Tell where to look for work: which runs haven't ended, and which may start.
-- KEYS: active, ready, wakeup, recent, threads
-- ARGV: run that is accepted or '', run that may start or '', milliseconds since when or '', wake-ups kept,
--       seconds to keep them, runs kept in `recent`, then runs that have ended
local time = redis.call('TIME')
local now_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
if #ARGV > 6 then
  redis.call('SREM', KEYS[1], unpack(ARGV, 7))
end
if ARGV[1] ~= '' then
  redis.call('SADD', KEYS[1], ARGV[1])
  local now_us = time[1] .. string.format('%06d', time[2])
  redis.call('ZADD', KEYS[4], 'NX', now_us, ARGV[1])
  local thread, run = string.match(ARGV[1], '^([^|]*)|(.*)$')
  if thread ~= run then -- else it goes with its run
    redis.call('ZADD', KEYS[5], now_us, thread)
  end
  if redis.call('ZCARD', KEYS[4]) > tonumber(ARGV[6]) + 100 then
    redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -tonumber(ARGV[6]) - 1)
  end
end
if ARGV[2] ~= '' then
  redis.call('SADD', KEYS[1], ARGV[2])
  redis.call('ZADD', KEYS[2], 'NX', ARGV[3] ~= '' and ARGV[3] or now_ms, ARGV[2])
  redis.call('RPUSH', KEYS[3], '')
  redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[4]) - 1)
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
return 1

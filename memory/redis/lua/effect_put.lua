-- Replace the record of an effect; '' for none.
-- A record begins with s (started), w (started, and its question waits) or d (done). All of a thread's effects go `ttl`
-- ms after the last change, but not while a question waits: its answer would find nothing and take it for never
-- begun. How many wait stands in the field `waiting`.
local function put(effects, field, record, ttl)
  local found = redis.call('HGET', effects, field) or ''
  if record == '' then
    redis.call('HDEL', effects, field)
  else
    redis.call('HSET', effects, field, record)
  end
  local change = (record:sub(1, 1) == 'w' and 1 or 0) - (found:sub(1, 1) == 'w' and 1 or 0)
  local waiting = tonumber(redis.call('HGET', effects, 'waiting') or '0') + change
  if waiting > 0 then
    redis.call('HSET', effects, 'waiting', waiting)
    redis.call('PERSIST', effects)
  else
    redis.call('HDEL', effects, 'waiting')
    redis.call('PEXPIRE', effects, ttl)
  end
end

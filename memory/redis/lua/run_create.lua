--!include run_ending
--!include run_starting
-- Accept a run on its thread, or say why not; writes nothing unless the run is accepted.
-- KEYS: thread, queue, run, events, the thread's epoch, runs, six of the thread's checkpoints, then run and events of
--       each queued run that is known
-- ARGV: run id, request JSON, multitask strategy, plain|answer, graph id, assistant id, configurable JSON,
--       metadata JSON of the thread to make if there is none, or '', '1' if the thread goes with the run,
--       worker that may start it at once, or '', lease in milliseconds, milliseconds to keep ended runs, events kept at
--       least, name and data of a cancelled run's last event, number f of the run's fields to return, those,
--       number n of answered interrupt ids, those, ids of the queued runs that are known, channel of each one's news
-- Returns {'run', id of the run the thread works on, fields, what `start` returns or nil} (also when the run was there),
--         {'no thread'}, {'busy'}, {'again', ids of the runs that are queued},
--         or {'waits' | 'none' | 'several', ids of the interrupts that wait}.
local thread, queue, run, epoch, runs = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6]
local run_id, request, multitask, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local fields_end = 16 + tonumber(ARGV[16])
local named_end = fields_end + 1 + tonumber(ARGV[fields_end + 1])
local known_count = (#KEYS - 12) / 2

local function accepted(active, started)
  return {'run', active, redis.call('HMGET', run, unpack(ARGV, 17, fields_end)), started}
end

if redis.call('EXISTS', run) == 1 then
  return accepted(redis.call('HGET', thread, 'active') or '', false)
end
local state = redis.call('HMGET', thread, 'active', 'interrupts', 'created_us', 'asked')
if not state[3] and ARGV[8] == '' then
  return {'no thread'}
end
local active = state[1] or ''
-- While a run works, what its thread still lists waits for that run's end and can't be answered.
local waiting = active == '' and state[2] and cjson.decode(state[2]) or {}
local ids = {}
for i, interrupt in ipairs(waiting) do
  ids[i] = interrupt[1]
end

local answered, kept = {}, {}
if kind == 'plain' then
  if #waiting > 0 then
    return {'waits', ids}
  end
  if multitask == 'reject' and active ~= '' then
    return {'busy'}
  end
else
  local named, count = {}, named_end - fields_end - 1
  if #waiting > 1 and count == 0 then
    return {'several', ids}
  end
  for i = fields_end + 2, named_end do
    named[ARGV[i]] = true
  end
  for _, interrupt in ipairs(waiting) do
    table.insert((count == 0 or named[interrupt[1]]) and answered or kept, interrupt)
  end
  if #answered == 0 or #answered < count then
    return {'none', ids}
  end
end

local clears = active ~= '' and (multitask == 'interrupt' or multitask == 'rollback')
if clears then
  local queued = redis.call('LRANGE', queue, 0, -1)
  for i = 1, math.max(#queued, known_count) do
    if queued[i] ~= ARGV[named_end + i] then
      return {'again', queued}
    end
  end
  -- From the back, so that none is released that ends in the next turn.
  for i = #queued, 1, -1 do
    local other = KEYS[11 + 2 * i]
    if redis.call('HGET', other, 'status') == 'running' then
      if redis.call('HGET', other, 'cancel') ~= 'rollback' then
        redis.call('HSET', other, 'cancel', multitask)
      end
    else
      end_run({thread = thread, queue = queue, run = other, events = KEYS[12 + 2 * i], epoch = epoch, runs = runs,
          checkpoints = {unpack(KEYS, 7, 12)}},
        {followed = true, run_id = queued[i], status = 'interrupted', mode = multitask, failure = '', waiting = '[]',
          retention_ms = ARGV[12], kept = ARGV[13], last_at = 14, channel = ARGV[named_end + known_count + i]})
    end
  end
  state = redis.call('HMGET', thread, 'active', 'interrupts')
  active = state[1]
end

local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
if not state[3] and not clears then
  redis.call('HSET', thread, 'created_us', now_us, 'metadata', ARGV[8], 'interrupts', '[]', 'error', '',
    'temporary', ARGV[9])
end
redis.call('HSET', run, 'request', request, 'status', 'pending', 'created_us', now_us, 'updated_us', now_us,
  'ready_us', now_us, 'attempt', 0, 'error', '', 'answered', #answered > 0 and cjson.encode(answered) or '[]',
  'after', #answered > 0 and state[4] or '')
redis.call('DEL', KEYS[4]) -- of a run that had the same id and was rolled back
redis.call('ZADD', runs, now_us, run_id)
if #answered > 0 then
  advance(epoch) -- who writes to the thread by hand would bring back what is being answered
  redis.call('LPUSH', queue, run_id)
  redis.call('HSET', thread, 'interrupts', #kept > 0 and cjson.encode(kept) or '[]')
else
  redis.call('RPUSH', queue, run_id)
end
-- An answer that was rolled back waits again: what comes behind it waits as well.
local held = clears and active == '' and state[2] ~= '[]'
if active == '' and not held then
  active = redis.call('LINDEX', queue, 0)
end
redis.call('HSET', thread, 'active', active, 'status', held and 'interrupted' or 'busy', 'updated_us', now_us,
  'graph_id', ARGV[5], 'assistant_id', ARGV[6], 'configurable', ARGV[7])
local started = false
if active == run_id and ARGV[10] ~= '' then
  started = start(run, epoch, ARGV[10], ARGV[11])
end
return accepted(active, started)

-- Accept a run on its thread, or say why not; writes nothing unless the run is accepted.
-- KEYS: thread, queue, run
-- ARGV: run id, request JSON, reject|enqueue, plain|answer, graph id, assistant id, configurable JSON,
--       number n of answered interrupt ids, those ids, names of the run's fields to return
-- Returns {'run', id of the run the thread works on, milliseconds now, fields} (also when the run was there already),
--         {'no thread'}, {'busy'}, or {'waits' | 'none' | 'several', ids of the interrupts that wait}.
local thread, queue, run = KEYS[1], KEYS[2], KEYS[3]
local run_id, request, multitask, kind, named_count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[8])
local graph_id, assistant_id, configurable = ARGV[5], ARGV[6], ARGV[7]
local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])

local function accepted(active)
  return {'run', active, string.sub(now_us, 1, -4), redis.call('HMGET', run, unpack(ARGV, 9 + named_count))}
end

if redis.call('EXISTS', run) == 1 then
  return accepted(redis.call('HGET', thread, 'active') or '')
end
if redis.call('EXISTS', thread) == 0 then
  return {'no thread'}
end

local state = redis.call('HMGET', thread, 'active', 'interrupts')
local active = state[1]
-- While a run works, what its thread still lists waits for that run's end and can't be answered.
local waiting = active == '' and cjson.decode(state[2]) or {}
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
  if #waiting > 1 and named_count == 0 then
    return {'several', ids}
  end
  local named = {}
  for i = 9, 8 + named_count do
    named[ARGV[i]] = true
  end
  for _, interrupt in ipairs(waiting) do
    table.insert((named_count == 0 or named[interrupt[1]]) and answered or kept, interrupt)
  end
  if #answered == 0 or #answered < named_count then
    return {'none', ids}
  end
end

redis.call('HSET', run, 'request', request, 'status', 'pending', 'created_us', now_us, 'updated_us', now_us,
  'attempt', 0, 'error', '', 'answered', #answered > 0 and cjson.encode(answered) or '[]')
if #answered > 0 then
  redis.call('LPUSH', queue, run_id)
  redis.call('HSET', thread, 'interrupts', #kept > 0 and cjson.encode(kept) or '[]')
else
  redis.call('RPUSH', queue, run_id)
end
if active == '' then
  active = redis.call('LINDEX', queue, 0)
end
redis.call('HSET', thread, 'active', active, 'status', 'busy', 'updated_us', now_us,
  'graph_id', graph_id, 'assistant_id', assistant_id, 'configurable', configurable)
return accepted(active)

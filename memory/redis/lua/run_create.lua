--!include run_ending
--!include run_starting
-- Accept a run on its thread, or say why not; writes nothing unless the run is accepted.
-- KEYS: thread, queue, run, events, the thread's epoch, runs, six of the thread's checkpoints, its approvals, grants and
--       journal, three of its trajectories, then run and events of each queued run that is known
-- ARGV: run id, request JSON, multitask strategy, plain|behind|answer, graph id, assistant id, configurable JSON,
--       metadata JSON of the thread to make if there is none, or '', '1' if the thread goes with the run,
--       worker that may start it at once, or '', lease in milliseconds, milliseconds to keep ended runs, events kept at
--       least, name and data of a cancelled run's last event, number f of the run's fields to return, those,
--       number n of answered interrupts, for each: its id, approval it was meant for or '', state the approval comes
--       into, who as JSON, decisions as JSON, detail for the journal as JSON, reason, grant as JSON or '';
--       then ids of the queued runs that are known, channel of each one's news
-- Returns {'run', id of the run the thread works on, fields, what `start` returns or nil} (also when the run was there),
--         {'no thread'}, {'busy'}, {'again', ids of the runs that are queued},
--         or {'waits' | 'none' | 'several' | 'changed', ids of the interrupts that wait}.
local thread, queue, run, epoch, runs = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6]
local run_id, request, multitask, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local fields_end = 16 + tonumber(ARGV[16])
local count = tonumber(ARGV[fields_end + 1])
local named_end = fields_end + 1 + 8 * count
local known_count = (#KEYS - 18) / 2
local k = {thread = thread, queue = queue, epoch = epoch, runs = runs, checkpoints = {unpack(KEYS, 7, 12)},
  approvals = KEYS[13], grants = KEYS[14], journal = KEYS[15], trajectories = {unpack(KEYS, 16, 18)}}

local function accepted(active, started)
  return {'run', active, redis.call('HMGET', run, unpack(ARGV, 17, fields_end)), started}
end

if redis.call('EXISTS', run) == 1 then
  return accepted(redis.call('HGET', thread, 'active') or '', false)
end
local state = redis.call('HMGET', thread, 'active', 'interrupts', 'created_us', 'asked', 'answering')
if not state[3] and ARGV[8] == '' then
  return {'no thread'}
end
local active = state[1] or ''
-- While a run works, what its thread still lists waits for another answer than that run's.
local waiting = state[2] and cjson.decode(state[2]) or {}
local ids = {}
for i, interrupt in ipairs(waiting) do
  ids[i] = interrupt[1]
end

local answered, kept, told = {}, {}, {}
if kind ~= 'answer' then
  if kind == 'plain' and #waiting > 0 and active == '' then
    return {'waits', ids}
  end
  if multitask == 'reject' and active ~= '' then
    return {'busy'}
  end
else
  if #waiting > 1 and count == 0 then
    return {'several', ids}
  end
  for i = fields_end + 2, named_end, 8 do
    told[ARGV[i]] = {unpack(ARGV, i + 1, i + 7)}
  end
  for _, interrupt in ipairs(waiting) do
    local one = told[interrupt[1]]
    if one and one[1] ~= '' and one[1] ~= interrupt[3] then
      return {'changed', ids}
    end
    table.insert((count == 0 or one) and answered or kept, interrupt)
  end
  if #answered == 0 or #answered < count then
    return {'none', ids}
  end
end

-- An answer is no rival of what is worked on: it goes behind it, whatever its strategy.
local clears = kind ~= 'answer' and active ~= '' and (multitask == 'interrupt' or multitask == 'rollback')
if clears then
  local queued = redis.call('LRANGE', queue, 0, -1)
  for i = 1, math.max(#queued, known_count) do
    if queued[i] ~= ARGV[named_end + i] then
      return {'again', queued}
    end
  end
  -- From the back, so that none is released that ends in the next turn.
  for i = #queued, 1, -1 do
    local other = KEYS[17 + 2 * i]
    if redis.call('HGET', other, 'status') == 'running' then
      if redis.call('HGET', other, 'cancel') ~= 'rollback' then
        redis.call('HSET', other, 'cancel', multitask)
      end
    else
      k.run, k.events = other, KEYS[18 + 2 * i]
      end_run(k,
        {followed = true, reason = 'another run took its place', run_id = queued[i], status = 'interrupted', mode = multitask, failure = '', waiting = '[]',
          retention_ms = ARGV[12], kept = ARGV[13], last_at = 14, channel = ARGV[named_end + known_count + i]})
    end
  end
  state = redis.call('HMGET', thread, 'active', 'interrupts', 'created_us', 'asked', 'answering')
  active = state[1]
end

redis.call('HSET', run, 'request', request, 'status', 'pending', 'created_us', now_us, 'updated_us', now_us,
  'ready_us', now_us, 'attempt', 0, 'error', '', 'answered', #answered > 0 and cjson.encode(answered) or '[]',
  'after', #answered > 0 and state[4] or '')
redis.call('DEL', KEYS[4]) -- of a run that had the same id and was rolled back
redis.call('ZADD', runs, now_us, run_id)
local held, first = false, false
if #answered > 0 then
  if active == '' then
    advance(epoch) -- who writes to the thread by hand would bring back what is being answered
  end
  local answering, taken = state[5] and state[5] ~= '' and cjson.decode(state[5]) or {}, {}
  for i, interrupt in ipairs(answered) do
    taken[i] = interrupt[1]
    local one = told[interrupt[1]]
    if interrupt[3] and one then
      become(k, now_us, interrupt[3], one[2], run_id, one[3], one[4], one[6])
      note(k, now_us, one[2], interrupt[3], run_id, one[3], one[5])
      if one[7] ~= '' then
        redis.call('HSET', k.grants, interrupt[3], one[7])
        note(k, now_us, 'granted', interrupt[3], run_id, one[3], one[7])
      end
    elseif interrupt[3] then
      become(k, now_us, interrupt[3], 'decided', run_id, '', '', '')
      note(k, now_us, 'decided', interrupt[3], run_id, '', '')
    end
  end
  -- In front of all plain inputs, and behind the answers that came before.
  if #answering > 0 then
    redis.call('LINSERT', queue, 'AFTER', answering[#answering][1], run_id)
  else
    redis.call('LPUSH', queue, run_id)
  end
  answering[#answering + 1] = {run_id, taken}
  redis.call('HSET', thread, 'interrupts', listed(kept), 'answering', cjson.encode(answering))
else
  first = redis.call('RPUSH', queue, run_id) == 1
  -- What comes behind a question waits as well; an answer that was rolled back just now is one again.
  held = active == '' and (state[2] or '[]') ~= '[]'
end
if active == '' and not held then
  active = first and run_id or redis.call('LINDEX', queue, 0)
end
local made = state[3] and {}
  or {'created_us', now_us, 'metadata', ARGV[8], 'interrupts', '[]', 'error', '', 'temporary', ARGV[9]}
redis.call('HSET', thread, 'active', active, 'status', held and 'interrupted' or 'busy', 'updated_us', now_us,
  'graph_id', ARGV[5], 'assistant_id', ARGV[6], 'configurable', ARGV[7], unpack(made))
local started = false
if active == run_id and ARGV[10] ~= '' then
  started = start(run, epoch, ARGV[10], ARGV[11])
end
return accepted(active, started)

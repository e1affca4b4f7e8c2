--!include epochs
--!include events
--!include checkpoint_forgetting
-- What the end of a run changes: its last event, its status, its thread's status, the release of the next run.

-- Two lists of interrupts as one, both JSON.
local function joined(answered, waiting)
  if answered == '[]' then
    return waiting
  end
  local all = cjson.decode(answered)
  for _, interrupt in ipairs(cjson.decode(waiting)) do
    table.insert(all, interrupt)
  end
  return cjson.encode(all)
end

-- k: keys thread, queue, run, events, epoch, runs, and checkpoints: a list of six
-- how: run_id, status, mode ('' | 'lost' | 'interrupt' | 'rollback'), failure (JSON or ''), waiting (JSON),
--      retention_ms, kept (events), last_at (index in ARGV of the last event's name, its data follows), channel;
--      over: the run ended before, and only its questions are withdrawn: it has had its last event;
--      followed: another run is about to be queued, so a temporary thread stays
-- Returns the id of the run that may start now, or '', the time in milliseconds, and ids of the last event.
local function end_run(k, how)
  local time = redis.call('TIME')
  local now_us = time[1] .. string.format('%06d', time[2])
  local state = redis.call('HMGET', k.thread, 'interrupts', 'temporary', 'active')
  local known = redis.call('HMGET', k.run, 'answered', 'after')
  local answered = known[1] or '[]'
  local failed = how.status == 'error' or how.status == 'timeout'

  -- A run that failed reports nothing: what it didn't answer still waits. One that is rolled back never answered, nor
  -- did one that was lost or stopped before it saved a step: what they took off the thread waits again.
  local waiting = how.waiting
  if failed or how.mode ~= '' then
    waiting = state[1]
    local unanswered = how.mode == 'rollback'
    local stopped = how.mode == 'lost' or how.mode == 'interrupt' and not how.over
    if stopped and answered ~= '[]' and redis.call('SISMEMBER', k.checkpoints[6], how.run_id) == 0 then
      take_back(k.checkpoints[5], how.run_id)
      unanswered = true
    end
    if unanswered then
      waiting = joined(answered, waiting)
    end
  end

  local last = {}
  if not how.over then
    last = publish(k.events, k.run, how.kept, how.last_at, how.last_at + 1, how.channel)
  end
  -- A queued run that ends early leaves alone what its thread works on, and what it waits for.
  local moves = state[3] == how.run_id or how.over
  if moves then
    advance(k.epoch)
  end
  redis.call('PEXPIRE', k.events, how.retention_ms)
  redis.call('LREM', k.queue, 1, how.run_id)
  if how.mode == 'rollback' then
    forget_run(k.checkpoints[1], k.checkpoints[2], k.checkpoints[3], k.checkpoints[4], k.checkpoints[5],
      k.checkpoints[6], how.run_id)
    redis.call('DEL', k.run)
    redis.call('ZREM', k.runs, how.run_id)
  else
    redis.call('HSET', k.run, 'status', how.status, 'error', how.failure, 'updated_us', now_us, 'ended_us', now_us,
      'cancelled', how.mode == 'interrupt' and '1' or '')
    redis.call('PEXPIRE', k.run, how.retention_ms)
  end

  local now_ms = string.sub(now_us, 1, -4)
  if state[2] == '1' and not how.followed and redis.call('LLEN', k.queue) == 0 then
    redis.call('DEL', k.thread, k.queue, k.runs, unpack(k.checkpoints))
    redis.call('PEXPIRE', k.epoch, how.retention_ms)
    return '', now_ms, last
  end

  if not moves then
    return '', now_ms, last
  end
  local released = waiting == '[]' and redis.call('LINDEX', k.queue, 0) or ''
  local becomes = 'idle'
  if waiting ~= '[]' then
    becomes = 'interrupted'
  elseif released ~= '' then
    becomes = 'busy'
  elseif failed then
    becomes = 'error'
  elseif how.status == 'interrupted' and how.mode == '' then
    becomes = 'interrupted'
  end
  redis.call('HSET', k.thread, 'status', becomes, 'active', released, 'interrupts', waiting, 'error', how.failure,
    'updated_us', now_us, 'last', how.run_id)
  -- Whose questions wait.
  if how.mode == 'rollback' then
    redis.call('HSET', k.thread, 'asked', known[2] or '')
  elseif how.mode == '' and not failed then
    redis.call('HSET', k.thread, 'asked', how.run_id)
  end
  return released, now_ms, last
end

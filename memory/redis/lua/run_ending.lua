--!include epochs
--!include events
--!include checkpoint_forgetting
--!include trajectory_forgetting
--!include approvals
-- What the end of a run changes: its last event, its status, its thread's status, the release of the next run.

-- Entries of two lists of interrupts, both JSON; of one that is in both, once.
local function joined(first, second)
  local all, there = {}, {}
  for _, list in ipairs({first, second}) do
    for _, interrupt in ipairs(cjson.decode(list)) do
      if not there[interrupt[1]] then
        there[interrupt[1]] = true
        table.insert(all, interrupt)
      end
    end
  end
  return all
end

-- The thread's answering runs that haven't ended, without one, and the interrupts that these are about to answer.
-- answering: the thread's list of {run id, interrupt ids}, JSON or nothing
local function others(answering, run_id)
  local left, taken, runs = {}, {}, {}
  for _, one in ipairs(answering and answering ~= '' and cjson.decode(answering) or {}) do
    if one[1] ~= run_id then
      left[#left + 1] = one
      runs[one[1]] = true
      for _, interrupt_id in ipairs(one[2]) do
        taken[interrupt_id] = true
      end
    end
  end
  return {left = left, taken = taken, runs = runs}
end

-- k: keys thread, queue, run, events, epoch, runs, approvals, grants, journal, and checkpoints: a list of six, and
--    trajectories: a list of three
-- how: run_id, status, mode ('' | 'lost' | 'interrupt' | 'rollback'), failure (JSON or ''), waiting (JSON),
--      retention_ms, kept (events), last_at (index in ARGV of the last event's name, its data follows), channel;
--      earlier: indices of the names of events that come before the last
--      over: the run ended before, and only its questions are withdrawn: it has had its last event;
--      reason: why what waited before and doesn't any more is withdrawn
--      who: JSON of whoever cancels it, else nothing: whoever had it cancelled before, if anybody
--      followed: another run is about to be queued, so a temporary thread stays
-- Returns the id of the run that may start now, or '', the time in milliseconds, and ids of the events.
local function end_run(k, how)
  local state = redis.call('HMGET', k.thread, 'interrupts', 'temporary', 'active', 'answering')
  local was = state[1] or '[]' -- a thread may be lost, and its run not
  local known = redis.call('HMGET', k.run, 'answered', 'after')
  local answered = known[1] or '[]'
  local failed = how.status == 'error' or how.status == 'timeout'

  -- A run that failed reports nothing: what it didn't answer still waits. One that is rolled back never answered, nor
  -- did one that was lost or stopped before it saved a step: what they took off the thread waits again.
  -- A queued run that ends early leaves alone what its thread works on.
  local moves = state[3] == how.run_id or how.over
  local rest = others(state[4], how.run_id)
  local waiting = how.waiting
  if failed or how.mode ~= '' or not moves then
    waiting = was
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
  redis.call('LREM', k.queue, 1, how.run_id)
  local goes = state[2] == '1' and not how.followed and redis.call('LLEN', k.queue) == 0
  if goes then
    waiting = {} -- nobody could answer
  end
  waiting = type(waiting) == 'string' and cjson.decode(waiting) or waiting
  -- What others are about to answer waits no more, though the graph hasn't heard of it.
  for i = #waiting, 1, -1 do
    if rest.taken[waiting[i][1]] then
      table.remove(waiting, i)
    end
  end
  local who = how.who or how.mode ~= '' and how.mode ~= 'lost' and redis.call('HGET', k.run, 'cancelled_by') or ''
  waiting = wait_for(k, now_us, how.run_id, was, waiting, how.reason or '', who)

  local ids = {}
  if not how.over then
    local at = how.earlier or {}
    at[#at + 1] = how.last_at
    ids = publish(k.events, k.run, how.kept, at, how.channel)
  end
  if moves then
    advance(k.epoch)
  end
  redis.call('PEXPIRE', k.events, how.retention_ms)
  if how.mode == 'rollback' then
    forget_run(k.checkpoints[1], k.checkpoints[2], k.checkpoints[3], k.checkpoints[4], k.checkpoints[5],
      k.checkpoints[6], how.run_id)
    forget_trajectory(k.trajectories, how.run_id)
    redis.call('DEL', k.run)
    redis.call('ZREM', k.runs, how.run_id)
  else
    redis.call('HSET', k.run, 'status', how.status, 'error', how.failure, 'updated_us', now_us, 'ended_us', now_us,
      'cancelled', how.mode == 'interrupt' and '1' or '')
    redis.call('PEXPIRE', k.run, how.retention_ms)
  end

  local ended_ms = string.format('%d', now_ms)
  if goes then
    redis.call('DEL', k.thread, k.queue, k.runs, k.approvals, k.grants, unpack(k.checkpoints))
    redis.call('PEXPIRE', k.epoch, how.retention_ms)
    return '', ended_ms, ids
  end

  if not moves then
    redis.call('HSET', k.thread, 'interrupts', waiting, 'answering', listed(rest.left))
    return '', ended_ms, ids
  end
  -- While something waits, only what answers goes on.
  local released = redis.call('LINDEX', k.queue, 0) or ''
  if waiting ~= '[]' and not rest.runs[released] then
    released = ''
  end
  local becomes = 'idle'
  if released ~= '' then
    becomes = 'busy'
  elseif waiting ~= '[]' then
    becomes = 'interrupted'
  elseif failed then
    becomes = 'error'
  elseif how.status == 'interrupted' and how.mode == '' then
    becomes = 'interrupted'
  end
  redis.call('HSET', k.thread, 'status', becomes, 'active', released, 'interrupts', waiting,
    'answering', listed(rest.left), 'error', how.failure, 'updated_us', now_us, 'last', how.run_id)
  -- Whose questions wait.
  if how.mode == 'rollback' then
    redis.call('HSET', k.thread, 'asked', known[2] or '')
  elseif how.mode == '' and not failed then
    redis.call('HSET', k.thread, 'asked', how.run_id)
  end
  return released, ended_ms, ids
end

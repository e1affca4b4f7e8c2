--!include epochs
-- End a run: last event, its status, its thread's status and the release of the next run.
-- KEYS: thread, queue, run, events, the thread's epoch
-- ARGV: run id, epoch, status, name of the last event, its data, error JSON or '', interrupts that wait as JSON pairs,
--       milliseconds to keep the run and its events, 'lost' when the sweeper ends it
-- Returns nil when the epoch is old, else {id of the run that may start now or '', milliseconds now}.
local thread, queue, run, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local run_id, epoch, status, failure = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
if redis.call('GET', KEYS[5]) ~= epoch then
  return false
end
local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
local failed = status == 'error' or status == 'timeout'

-- A run that failed reports nothing: what it didn't answer still waits. One whose worker was lost
-- may not have answered at all, so what it took off the thread waits again.
local waiting = ARGV[7]
if failed then
  waiting = redis.call('HGET', thread, 'interrupts')
  local answered = redis.call('HGET', run, 'answered')
  if ARGV[9] == 'lost' and answered ~= '[]' then
    local all = cjson.decode(answered)
    for _, interrupt in ipairs(cjson.decode(waiting)) do
      table.insert(all, interrupt)
    end
    waiting = cjson.encode(all)
  end
end

redis.call('XADD', events, '*', 'name', ARGV[4], 'data', ARGV[5])
advance(KEYS[5])
redis.call('HSET', run, 'status', status, 'error', failure, 'updated_us', now_us)
redis.call('PEXPIRE', run, ARGV[8])
redis.call('PEXPIRE', events, ARGV[8])
redis.call('LREM', queue, 1, run_id)

local released = ''
local becomes = failed and 'error' or status == 'interrupted' and 'interrupted' or 'idle'
if waiting ~= '[]' then
  becomes = 'interrupted'
else
  released = redis.call('LINDEX', queue, 0) or ''
  if released ~= '' then
    becomes = 'busy'
  end
end
redis.call('HSET', thread, 'status', becomes, 'active', released, 'interrupts', waiting, 'error', failure,
  'updated_us', now_us)
return {released, string.sub(now_us, 1, -4)}

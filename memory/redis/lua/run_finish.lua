--!include run_ending
-- End a run that a worker holds. One that was to be cancelled is, however its graph ended: whoever wanted that was told
-- that it would happen, though the worker may not have heard of it.
-- KEYS: thread, queue, run, events, the thread's epoch, runs, six of the thread's checkpoints, its approvals, grants and
--       journal, three of its trajectories
-- ARGV: run id, epoch, status, error JSON or '', interrupts that wait as JSON, see approvals, mode ('' | interrupt | rollback),
--       milliseconds to keep the run and its events, events kept at least, channel of the run's news,
--       name and data of a cancelled run's last event, name and data of each last event, the very last among them
-- Returns nil when the epoch is old, else {id of the run that may start now or '', milliseconds now, ids of the events,
--         1 if the very last is that of a cancelled run}.
if redis.call('GET', KEYS[5]) ~= ARGV[2] then
  return false
end
local status, failure, mode, last_at = ARGV[3], ARGV[4], ARGV[6], #ARGV - 1
local cancel = redis.call('HGET', KEYS[3], 'cancel')
local overruled = cancel == 'rollback' or cancel == 'interrupt' and mode == ''
if overruled then
  status, failure, mode, last_at = 'interrupted', '', cancel, 10
end
local released, ended_ms, ids = end_run(
  {thread = KEYS[1], queue = KEYS[2], run = KEYS[3], events = KEYS[4], epoch = KEYS[5], runs = KEYS[6],
    checkpoints = {unpack(KEYS, 7, 12)}, approvals = KEYS[13], grants = KEYS[14], journal = KEYS[15],
    trajectories = {unpack(KEYS, 16, 18)}},
  {run_id = ARGV[1], status = status, mode = mode, failure = failure, waiting = ARGV[5],
    retention_ms = ARGV[7], kept = ARGV[8], earlier = events_at(12, #ARGV - 3), last_at = last_at,
    channel = ARGV[9],
    reason = overruled and 'the run was cancelled' or 'the graph asks it no longer'})
return {released, ended_ms, ids, overruled and 1 or 0}

--!include epochs
-- Give a run to a worker.
-- Returns {epoch, attempt, attempts lost, request JSON, spent JSON or '', microseconds it was ready, run whose questions
--         it answers or ''}.
local function start(run, epoch, worker, lease_ms)
  local known = redis.call('HMGET', run, 'request', 'spent', 'ready_us', 'lost', 'after', 'attempt')
  local attempt = tonumber(known[6] or '0') + 1
  redis.call('HSET', run, 'status', 'running', 'worker', worker, 'deadline_ms',
    string.format('%d', now_ms + tonumber(lease_ms)), 'updated_us', now_us, 'claimed_us', now_us, 'attempt', attempt)
  return {advance(epoch), attempt, tonumber(known[4] or '0'), known[1],
    known[2] or '', string.format('%d', tonumber(now_us) - tonumber(known[3] or now_us)), known[5] or ''}
end

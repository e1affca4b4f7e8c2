--!include trajectory_forgetting
-- Add a batch to what a run did. The oldest runs of the thread give way to it, those that are too old first.
-- KEYS: runs, records, contents, as `Keys.trajectories` has them, the run
-- ARGV: run id, milliseconds to keep it all from now on, bytes that the thread's runs may take, run that this one follows,
--       or '', 1 for the batch that says that the rest is missing, 1 for one that comes late: only to what is there, then
--       also without a run, 1 to do without contents that are neither sent nor there, the batch, names (16 bytes each) of the contents that it holds, names of those that are sent, then for
--       each of these, in the same order, the content and the names of the contents that it holds in turn
-- Returns 'kept', 'missing' if a content is neither sent nor there, which changed nothing but that old runs went, 'gone'
--         if there is no such run any more, 'full' if it was and is, or 'cut' if the batch doesn't fit: nothing but the
--         one that says so is taken from then on.
local k, run_id, keep_ms, most, last = KEYS, ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5] == '1'
local refs, sent, first_sent = ARGV[9], {}, 11
local there = ARGV[6] == '1' and redis.call('HEXISTS', k[2], run_id) or redis.call('EXISTS', k[4])
if there == 0 then
  return 'gone'
end
local cut = redis.call('HGET', k[2], run_id .. '\0cut')
if cut == 'full' or cut and not last then
  return cut
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', k[1], '-inf', now_ms - keep_ms, 'LIMIT', 0, 20)) do
  if old ~= run_id then
    forget_trajectory(k, old)
  end
end

for i, ref in ipairs(names_in(ARGV[10])) do
  sent[ref] = first_sent + 2 * (i - 1)
end
local function is_missing(names)
  for _, ref in ipairs(names_in(names)) do
    if not sent[ref] and redis.call('HEXISTS', k[3], ref) == 0 then
      return true
    end
  end
  return false
end
if ARGV[7] ~= '1' then
  if is_missing(refs) then
    return 'missing'
  end
  for _, at in pairs(sent) do
    if is_missing(ARGV[at + 1]) then
      return 'missing'
    end
  end
end

redis.call('ZADD', k[1], now_ms, run_id)
local n = redis.call('HINCRBY', k[2], run_id, 1)
local at, added = run_id .. '\0' .. n, #ARGV[8] + #refs
redis.call('HSET', k[2], at, ARGV[8], at .. '\0refs', refs)
if ARGV[4] ~= '' then
  redis.call('HSET', k[2], run_id .. '\0follows', ARGV[4])
end
local function hold(names)
  for _, ref in ipairs(names_in(names)) do
    redis.call('HINCRBY', k[3], '#' .. ref, 1)
  end
end
hold(refs)
for ref, i in pairs(sent) do
  if redis.call('HSETNX', k[3], ref, ARGV[i]) == 1 then
    added = added + #ARGV[i] + #ARGV[i + 1]
    if ARGV[i + 1] ~= '' then
      redis.call('HSET', k[3], '>' .. ref, ARGV[i + 1])
      hold(ARGV[i + 1])
    end
  end
end
local bytes = redis.call('HINCRBY', k[2], '', added)

local outcome = 'kept'
while bytes > most and not last do
  local oldest = redis.call('ZRANGE', k[1], 0, 0)[1]
  if oldest == run_id then
    redis.call('HINCRBY', k[2], '', -drop_batch(k, run_id, n))
    redis.call('HINCRBY', k[2], run_id, -1)
    outcome = 'cut'
    break
  end
  bytes = forget_trajectory(k, oldest)
end
if last or outcome == 'cut' then
  redis.call('HSET', k[2], run_id .. '\0cut', last and 'full' or 'cut')
end
for i = 1, 3 do
  redis.call('PEXPIRE', k[i], keep_ms)
end
return outcome

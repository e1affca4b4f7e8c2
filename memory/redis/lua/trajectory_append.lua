--!include clock
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
local there = ARGV[6] == '1' and redis.call('HEXISTS', k[2], run_id) or redis.call('EXISTS', k[4])
if there == 0 then
  return 'gone'
end
local state = redis.call('HMGET', k[2], run_id .. '\0cut', run_id)
local cut, n = state[1], tonumber(state[2] or '0') + 1
if cut == 'full' or cut and not last then
  return cut
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', k[1], '-inf', now_ms - keep_ms, 'LIMIT', 0, 20)) do
  if old ~= run_id then
    forget_trajectory(k, old)
  end
end

-- All names that are told here, each once, where each is counted, and how often it is held from now on besides.
local all, counts, more = {}, {}, {}
local function hold(names, by)
  for i = 1, #names, 16 do
    local ref = string.sub(names, i, i + 15)
    if not more[ref] then
      all[#all + 1], counts[#counts + 1] = ref, '#' .. ref
    end
    more[ref] = (more[ref] or 0) + by
  end
end
hold(ARGV[9], 1)
hold(ARGV[10], 0)
local sent, is_sent = names_in(ARGV[10]), {}
for i, ref in ipairs(sent) do
  is_sent[ref] = true
  hold(ARGV[10 + 2 * i], 1)
end

-- How often each is held. What isn't held isn't there; what is held may have been missing all along.
local holders = {}
for from = 1, #all, 1000 do
  for i, count in ipairs(redis.call('HMGET', k[3], unpack(counts, from, math.min(from + 999, #all)))) do
    holders[all[from + i - 1]] = tonumber(count)
  end
end
if ARGV[7] ~= '1' then
  for _, ref in ipairs(all) do
    if not is_sent[ref] and (not holders[ref] or redis.call('HEXISTS', k[3], ref) == 0) then
      return 'missing'
    end
  end
end

local new, added = {}, #ARGV[8] + #ARGV[9]
for i, ref in ipairs(sent) do
  local content, names = ARGV[9 + 2 * i], ARGV[10 + 2 * i]
  if holders[ref] and redis.call('HSETNX', k[3], ref, content) == 0 then
    hold(names, -1) -- it holds them already
  else
    if not holders[ref] then
      new[#new + 1], new[#new + 2] = ref, content
    end
    if names ~= '' then
      new[#new + 1], new[#new + 2] = '>' .. ref, names
    end
    added = added + #content + #names
  end
end
for i, ref in ipairs(all) do
  if more[ref] > 0 then
    new[#new + 1], new[#new + 2] = counts[i], (holders[ref] or 0) + more[ref]
  end
end
for i = 1, #new, 1000 do
  redis.call('HSET', k[3], unpack(new, i, math.min(i + 999, #new)))
end

redis.call('ZADD', k[1], now_ms, run_id)
local at = run_id .. '\0' .. n
local follows = ARGV[4] ~= '' and {run_id .. '\0follows', ARGV[4]} or {}
redis.call('HSET', k[2], run_id, n, at, ARGV[8], at .. '\0refs', ARGV[9], unpack(follows))
local bytes = redis.call('HINCRBY', k[2], '', added)

local outcome = 'kept'
while bytes > most and not last do
  local oldest = redis.call('ZRANGE', k[1], 0, 0)[1]
  if oldest == run_id then
    redis.call('HINCRBY', k[2], '', 0 - drop_batch(k, run_id, n))
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

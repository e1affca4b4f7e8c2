-- What a thread's runs did is counted here, so that a content goes with the last batch, or content, that holds it.
-- k: keys runs, records, contents, as `Keys.trajectories` has them

-- The names, of 16 bytes each, that are joined in a text.
local function names_in(joined)
  local found = {}
  for i = 1, #joined / 16 do
    found[i] = string.sub(joined, 16 * i - 15, 16 * i)
  end
  return found
end

-- Has these contents held once less; returns how many bytes that frees.
local function let_go(k, names)
  local freed, left = 0, names_in(names)
  while #left > 0 do
    local ref = table.remove(left)
    if redis.call('HINCRBY', k[3], '#' .. ref, -1) <= 0 then
      local held = redis.call('HGET', k[3], '>' .. ref) or ''
      freed = freed + redis.call('HSTRLEN', k[3], ref) + #held
      redis.call('HDEL', k[3], ref, '#' .. ref, '>' .. ref)
      for _, inner in ipairs(names_in(held)) do
        left[#left + 1] = inner
      end
    end
  end
  return freed
end

-- Takes back the n-th batch of a run; returns how many bytes that frees.
local function drop_batch(k, run_id, n)
  local at = run_id .. '\0' .. n
  local refs = redis.call('HGET', k[2], at .. '\0refs') or ''
  local freed = redis.call('HSTRLEN', k[2], at) + #refs + let_go(k, refs)
  redis.call('HDEL', k[2], at, at .. '\0refs')
  return freed
end

-- Forgets what a run did; returns how many bytes all take now.
local function forget_trajectory(k, run_id)
  local freed = 0
  for n = 1, tonumber(redis.call('HGET', k[2], run_id) or '0') do
    freed = freed + drop_batch(k, run_id, n)
  end
  redis.call('HDEL', k[2], run_id, run_id .. '\0follows', run_id .. '\0cut')
  redis.call('ZREM', k[1], run_id)
  if redis.call('ZCARD', k[1]) == 0 then
    redis.call('DEL', k[1], k[2], k[3])
    return 0
  end
  return redis.call('HINCRBY', k[2], '', 0 - freed) -- `-freed` may be -0, which is no integer to Redis 7.0
end

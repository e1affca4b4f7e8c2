-- Let all keys of a thread's checkpoints expire together, or never while the root graph waits for a person.
-- keys: the script's own, of which ids_key and writes_key tell what waits, and the last, the epoch, never expires: a run
--       that is silent for longer still holds it   ttl: milliseconds, or '' to leave them
local function waits(ids_key, writes_key)
  local newest = redis.call('ZREVRANGEBYLEX', ids_key, '(\1', '[\0', 'LIMIT', 0, 1)[1]
  if not newest then
    return false
  end
  local prefix = '\0' .. string.match(newest, '^%z%x+%z(.*)$') .. '\0'
  for _, write in ipairs(redis.call('ZRANGEBYLEX', writes_key, '[' .. prefix, '(' .. string.sub(prefix, 1, -2) .. '\1')) do
    -- WRITES_IDX_MAP in langgraph.checkpoint.base: -3 is an interrupt.
    if string.match(write, '^[^%z]*%z(%-?%d+)%z', #prefix + 1) == '-3' then
      return true
    end
  end
  return false
end

local function expire(keys, ids_key, writes_key, ttl)
  if ttl == '' then
    return
  end
  local waiting = waits(ids_key, writes_key)
  for i = 1, #keys - 1 do
    if waiting then
      redis.call('PERSIST', keys[i])
    else
      redis.call('PEXPIRE', keys[i], ttl)
    end
  end
end

--!include checkpoint_elements
--!include checkpoint_expiry
-- What it takes to forget some of a thread's checkpoints, or all that one run left on it.
-- Besides pending writes, `writes` holds what takes one back that a run made on another run's checkpoint: byte 255, run id,
-- namespace, checkpoint id, task id, index, then the rest of the write that was there before, or nothing.

-- Every checkpoint's member of ids and place (namespace NUL id), in the order in which they were put; records by place.
local function checkpoints_of(ids, records)
  local members, records_of = redis.call('ZRANGE', ids, 0, -1), {}
  for i, member in ipairs(members) do
    local ns, id = string.match(member, '^([^%z]*)%z%x+%z(.*)$')
    local place = ns .. '\0' .. id
    members[i] = {member, place}
    local record = redis.call('HGET', records, place)
    records_of[place] = record and cmsgpack.unpack(record) or nil
  end
  return members, records_of
end

-- Forget the checkpoints whose place isn't in keep, and whatever only they needed; how many there were.
local function forget_but(keep, members, records_of, ids, records, values, elements, writes)
  local forgotten, needed = 0, {}
  for _, entry in ipairs(members) do
    local member, place = entry[1], entry[2]
    if keep[place] then
      local ns = string.match(place, '^[^%z]*')
      for _, ref in ipairs(records_of[place] and records_of[place][5] or {}) do
        needed[ns .. '\0' .. ref] = true
      end
    else
      forgotten = forgotten + 1
      redis.call('ZREM', ids, member)
      redis.call('HDEL', records, place)
      redis.call('ZREMRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1')
    end
  end
  if forgotten == 0 then
    return 0
  end
  for _, undo in ipairs(redis.call('ZRANGEBYLEX', writes, '[\255', '+')) do
    if not keep[string.match(undo, '^[^%z]*%z([^%z]*%z[^%z]*)')] then
      redis.call('ZREM', writes, undo)
    end
  end
  local found, seen = {}, {}
  for _, field in ipairs(redis.call('HKEYS', values)) do
    if needed[field] then
      gather_value(elements, redis.call('HGET', values, field), found, seen)
    else
      redis.call('HDEL', values, field)
    end
  end
  for _, digest in ipairs(redis.call('HKEYS', elements)) do
    if not seen[digest] then
      redis.call('HDEL', elements, digest)
    end
  end
  return forgotten
end

-- Take back what the run wrote on top of other runs' checkpoints.
local function take_back(writes, run_id)
  for _, undo in ipairs(redis.call('ZRANGEBYLEX', writes, '[\255' .. run_id .. '\0', '(\255' .. run_id .. '\1')) do
    local place, before = string.match(undo, '^([^%z]*%z[^%z]*%z[^%z]*%z%-?%d+)%z(.*)$', #run_id + 3)
    redis.call('ZREMRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1')
    if before ~= '' then
      redis.call('ZADD', writes, 0, place .. '\0' .. before)
    end
    redis.call('ZREM', writes, undo)
  end
end

-- Forget the run's checkpoints and writes, so that the thread is as it was before; a question that waits again keeps it.
-- Returns how many checkpoints were forgotten.
local function forget_run(ids, records, values, elements, writes, runs, run_id)
  take_back(writes, run_id)
  local forgotten = 0
  if redis.call('SREM', runs, run_id) == 1 then
    local members, records_of = checkpoints_of(ids, records)
    local keep = {}
    for _, entry in ipairs(members) do
      local record = records_of[entry[2]]
      keep[entry[2]] = not record or record[7] ~= run_id
    end
    forgotten = forget_but(keep, members, records_of, ids, records, values, elements, writes)
  end
  if waits(ids, writes) then
    for _, key in ipairs({ids, records, values, elements, writes, runs}) do
      redis.call('PERSIST', key)
    end
  end
  return forgotten
end

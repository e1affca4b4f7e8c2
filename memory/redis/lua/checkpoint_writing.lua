-- Record what tasks wrote on top of checkpoints. Ordinary writes (index >= 0) are kept as first written; special ones
-- (errors, interrupts, resumes; index < 0) replace what was there. What a run writes on another run's checkpoint can be
-- taken back (see checkpoint_forgetting).
-- records, writes: keys   run_id: of the run, or ''
-- from, to: ARGV[from..to] are of each write namespace NUL checkpoint id, task id NUL index, index, the rest
local function record_writes(records, writes, run_id, from, to)
  local function first_under(place)
    return redis.call('ZRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1', 'LIMIT', 0, 1)[1]
  end

  local checkpoint, undo
  for i = from, to, 4 do
    if ARGV[i] ~= checkpoint then
      checkpoint = ARGV[i]
      local record = run_id ~= '' and redis.call('HGET', records, checkpoint)
      undo = record and cmsgpack.unpack(record)[7] ~= run_id and '\255' .. run_id .. '\0'
    end
    local place, index = checkpoint .. '\0' .. ARGV[i + 1], ARGV[i + 2]
    local there = first_under(place)
    local write = place .. '\0' .. ARGV[i + 3]
    if not there or (tonumber(index) < 0 and there ~= write) then
      if undo and not first_under(undo .. place) then
        redis.call('ZADD', writes, 0, undo .. place .. '\0' .. (there and string.sub(there, #place + 2) or ''))
      end
      if there then
        redis.call('ZREM', writes, there)
      end
      redis.call('ZADD', writes, 0, write)
    end
  end
end

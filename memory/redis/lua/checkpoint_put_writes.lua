--!include fence
--!include checkpoint_expiry
-- Record what a task wrote on top of a checkpoint. Ordinary writes (index >= 0) are kept as first written;
-- special ones (errors, interrupts, resumes; index < 0) replace what was there. What a run writes on another run's
-- checkpoint can be taken back (see checkpoint_forgetting).
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', ttl or '', run id or '', namespace NUL checkpoint id, then of each write task id NUL index, index,
--       the rest
-- Returns 1, or 0 if the claim is stale: then nothing changed.
local records, writes, run_id, checkpoint = KEYS[2], KEYS[5], ARGV[3], ARGV[4]
if stale(KEYS[7], ARGV[1]) then
  return 0
end

local function first_under(place)
  return redis.call('ZRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1', 'LIMIT', 0, 1)[1]
end

local undo
local record = run_id ~= '' and redis.call('HGET', records, checkpoint)
if record and cmsgpack.unpack(record)[7] ~= run_id then
  undo = '\255' .. run_id .. '\0'
end

for i = 5, #ARGV, 3 do
  local place, index = checkpoint .. '\0' .. ARGV[i], ARGV[i + 1]
  local there = first_under(place)
  local write = place .. '\0' .. ARGV[i + 2]
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
expire(KEYS, KEYS[1], writes, ARGV[2])
return 1

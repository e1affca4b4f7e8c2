--!include checkpoint_elements
-- A page of a walk from a checkpoint to its root: what was written to some channels, and the nearest stored values.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: namespace, id, '1' to begin with the id's parent, greatest number of ancestors, channels whose walk goes on
-- Returns {id to go on with or '', {of each ancestor, newest first, {{channel, value, …}, {write, …}}}, {{digest, …}, {bytes, …}, …} of the values' elements}
local _, records, values, elements, writes = unpack(KEYS)
local ns, id = ARGV[1], ARGV[2]
local open, left = {}, 0
for i = 5, #ARGV do
  open[ARGV[i]] = true
  left = left + 1
end

local function record_of(one)
  local packed = one ~= '' and redis.call('HGET', records, ns .. '\0' .. one)
  return packed and cmsgpack.unpack(packed)
end

if ARGV[3] == '1' then
  local target = record_of(id)
  id = target and target[2] or ''
end

local ancestors, found, seen = {}, {}, {}
for _ = 1, tonumber(ARGV[4]) do
  local record = left > 0 and record_of(id)
  if not record then
    id = ''
    break
  end
  local written, held = {}, {}
  local place = ns .. '\0' .. id
  for _, write in ipairs(redis.call('ZRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1')) do
    local channel = string.match(write, '^[^%z]*%z%-?%d+%z[^%z]*%z([^%z]*)%z', #place + 2)
    if open[channel] then
      written[#written + 1] = write
    end
  end
  for _, ref in ipairs(record[5]) do
    local channel = string.match(ref, '^[^%z]*')
    local value = open[channel] and redis.call('HGET', values, ns .. '\0' .. ref)
    if value then
      held[#held + 1] = channel
      held[#held + 1] = value
      gather_value(elements, value, found, seen)
      open[channel] = nil
      left = left - 1
    end
  end
  ancestors[#ancestors + 1] = {held, written}
  id = record[2]
end
if left == 0 then
  id = ''
end
return {id, ancestors, found}

--!include fence
--!include checkpoint_elements
--!include checkpoint_expiry
-- Forget checkpoints with their writes, and whatever nothing else needs any more.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', 'older' to keep the newest of each namespace with what it needs, or 'runs' and run ids
-- Returns how many were forgotten, or -1 if the epoch is old. While the root graph waits for a person, 'older' keeps all.
local ids, records, values, elements, writes, runs = unpack(KEYS)
if stale(KEYS[7], ARGV[1]) then
  return -1
end
if ARGV[2] == 'older' and waits(ids, writes) then
  return 0
end

local members = redis.call('ZRANGE', ids, 0, -1)
local records_of, keep = {}, {}
local newest_of = {}
for i, member in ipairs(members) do
  local ns, id = string.match(member, '^([^%z]*)%z%x+%z(.*)$')
  local place = ns .. '\0' .. id
  members[i] = {member, place}
  records_of[place] = cmsgpack.unpack(redis.call('HGET', records, place))
  newest_of[ns] = id
end

local function keep_with_ancestors(ns, id)
  local open, left = {}, 0
  local place = ns .. '\0' .. id
  keep[place] = true
  for channel in string.gmatch(records_of[place][6], '[^%z]+') do
    open[channel] = true
    left = left + 1
  end
  place = ns .. '\0' .. records_of[place][2]
  while left > 0 and records_of[place] do
    keep[place] = true
    for _, ref in ipairs(records_of[place][5]) do
      local channel = string.match(ref, '^[^%z]*')
      if open[channel] then
        open[channel] = nil
        left = left - 1
      end
    end
    place = ns .. '\0' .. records_of[place][2]
  end
end

if ARGV[2] == 'older' then
  for ns, id in pairs(newest_of) do
    keep_with_ancestors(ns, id)
  end
else
  local gone = {}
  for i = 3, #ARGV do
    gone[ARGV[i]] = true
    redis.call('SREM', runs, ARGV[i])
  end
  for place, record in pairs(records_of) do
    keep[place] = not gone[record[7]]
  end
end

local forgotten, needed = 0, {}
for _, entry in ipairs(members) do
  local member, place = entry[1], entry[2]
  if keep[place] then
    local ns = string.match(place, '^[^%z]*')
    for _, ref in ipairs(records_of[place][5]) do
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

--!include fence
--!include checkpoint_expiry
--!include checkpoint_writing
-- Record a checkpoint with the values that are new in it, and what tasks wrote before it, or say which part the caller wrongly took for stored.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', ttl or '', namespace, id, parent id or '', checkpoint, metadata, run id or '', what a delta walk
--       needs (channels joined by NUL), '1' if the parent is believed to be the newest,
--       number of writes and those, as `record_writes` takes them; number of refs, refs; number of values, then ref and value of each; then digest and bytes of each new element
-- Returns {'ok', the newest id that isn't the parent, or '', 1 if the run is new to the thread},
--         {'missing'} or {'stale'}; the last two changed nothing.
local ids, records, values, elements, writes, runs = unpack(KEYS)
local ns, id, parent = ARGV[3], ARGV[4], ARGV[5]
local writes_end = 11 + 4 * tonumber(ARGV[11])
local refs_at = writes_end + 2
local stored_at = refs_at + tonumber(ARGV[writes_end + 1])
local parts_at = stored_at + 1 + 2 * tonumber(ARGV[stored_at])

local function children_exist(text, from, sent)
  for at = from, #text, 16 do
    local child = string.sub(text, at, at + 15)
    if not sent[child] and redis.call('HEXISTS', elements, child) == 0 then
      return false
    end
  end
  return true
end

-- An element is only ever stored with all below it, so what is there is whole.
local function complete()
  local sent, stored = {}, {}
  for i = parts_at, #ARGV, 2 do
    sent[ARGV[i]] = true
  end
  for i = parts_at, #ARGV, 2 do
    if string.byte(ARGV[i + 1]) == 1 and not children_exist(ARGV[i + 1], 2, sent) then
      return false
    end
  end
  for i = stored_at + 1, parts_at - 1, 2 do
    stored[ARGV[i]] = true
    if string.byte(ARGV[i + 1]) == 1 and not children_exist(ARGV[i + 1], 11, sent) then
      return false
    end
  end
  for i = refs_at, stored_at - 1 do
    if not stored[ARGV[i]] and redis.call('HEXISTS', values, ns .. '\0' .. ARGV[i]) == 0 then
      return false
    end
  end
  return true
end

if not complete() then
  return {'missing'}
end
if stale(KEYS[7], ARGV[1]) then
  return {'stale'}
end
record_writes(records, writes, ARGV[8], 12, writes_end)

local newest = redis.call('ZREVRANGEBYLEX', ids, '(' .. ns .. '\1', '[' .. ns .. '\0', 'LIMIT', 0, 1)[1]
local seq, newest_id = 0, ''
if newest then
  local text
  text, newest_id = string.match(newest, '^(%x+)%z(.*)$', #ns + 2)
  seq = tonumber(text, 16) + 1
end
local before = redis.call('HGET', records, ns .. '\0' .. id)
if before then
  seq = cmsgpack.unpack(before)[1]
end

local refs = {}
for i = refs_at, stored_at - 1 do
  refs[#refs + 1] = ARGV[i]
end
redis.call('HSET', records, ns .. '\0' .. id,
  cmsgpack.pack({seq, parent, ARGV[6], ARGV[7], refs, ARGV[9], ARGV[8]}))
for i = stored_at + 1, parts_at - 1, 2 do
  redis.call('HSETNX', values, ns .. '\0' .. ARGV[i], ARGV[i + 1])
end
for i = parts_at, #ARGV, 1000 do
  redis.call('HSET', elements, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('ZADD', ids, 0, ns .. '\0' .. string.format('%012x', seq) .. '\0' .. id)
local joined = ARGV[8] ~= '' and redis.call('SADD', runs, ARGV[8]) or 0
expire(KEYS, ids, writes, ARGV[2])
local other = ARGV[10] == '1' and newest_id ~= parent and newest_id ~= id
return {'ok', other and newest_id or '', joined}

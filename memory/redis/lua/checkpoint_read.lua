--!include checkpoint_elements
--!include checkpoint_expiry
-- Checkpoints of one namespace with their values and pending writes.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: ttl or '', namespace, digests of elements that the caller has with all below them, then ids ('' is the newest)
-- Returns {of each id that there is {id, parent id or '', checkpoint, metadata, {ref, value, …}, {write, …}},
--          {{digest, …}, {bytes, …}, …} of the elements of the values that the caller lacks}, or an error if the newest is only a name
local ids, records, values, elements, writes = unpack(KEYS)
local ns = ARGV[2]
local read, found, seen = {}, {}, {}
for at = 1, #ARGV[3], 16 do
  seen[string.sub(ARGV[3], at, at + 15)] = true
end
for i = 4, #ARGV do
  local id = ARGV[i]
  if id == '' then
    local newest = redis.call('ZREVRANGEBYLEX', ids, '(' .. ns .. '\1', '[' .. ns .. '\0', 'LIMIT', 0, 1)[1]
    id = newest and string.match(newest, '^%x+%z(.*)$', #ns + 2)
    if id and redis.call('HEXISTS', records, ns .. '\0' .. id) == 0 then
      return redis.error_reply('the newest checkpoint is lost')
    end
  end
  local record = id and redis.call('HGET', records, ns .. '\0' .. id)
  if record then
    record = cmsgpack.unpack(record)
    local held = {}
    for _, ref in ipairs(record[5]) do
      local value = redis.call('HGET', values, ns .. '\0' .. ref)
      held[#held + 1] = ref
      held[#held + 1] = value
      gather_value(elements, value, found, seen)
    end
    local place = ns .. '\0' .. id
    read[#read + 1] = {id, record[2], record[3], record[4], held,
      redis.call('ZRANGEBYLEX', writes, '[' .. place .. '\0', '(' .. place .. '\1')}
  end
end
if #read > 0 then
  expire(KEYS, ids, writes, ARGV[1])
end
return {read, found}

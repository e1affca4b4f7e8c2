-- A checkpoint with its values and pending writes, or nil.
-- KEYS: ids, records, blobs, writes, order
-- ARGV: id, or "" for the newest
-- Returns {id, parent id or "", checkpoint, metadata, {ref, value or nil, …}, {{task path, task id, index, channel, value}, …}}
local id = ARGV[1]
if id == '' then
  id = redis.call('ZREVRANGEBYLEX', KEYS[1], '+', '-', 'LIMIT', 0, 1)[1]
end
local record = id and redis.call('HGET', KEYS[2], id)
if not record then
  return nil
end
record = cmsgpack.unpack(record)
local values, writes = {}, {}
for _, ref in ipairs(record[4]) do
  values[#values + 1] = ref
  values[#values + 1] = redis.call('HGET', KEYS[3], ref)
end
for i, field in ipairs(redis.call('ZRANGEBYLEX', KEYS[5], '[' .. id .. '\0', '(' .. id .. '\1')) do
  writes[i] = cmsgpack.unpack(redis.call('HGET', KEYS[4], field))
end
return {id, record[1], record[2], record[3], values, writes}

-- A page of a namespace's checkpoint ids with their metadata, newest first.
-- KEYS: ids, records, and the other keys of a thread's checkpoints
-- ARGV: namespace, id that all were put before, or '' (one that isn't there is no limit), number that all are below, or '',
--       the page's size
-- Returns {1 if that id is there, number of the page's last, id, metadata, …}
local ns, before, below = ARGV[1], ARGV[2], ARGV[3]
local limit = before ~= '' and redis.call('HGET', KEYS[2], ns .. '\0' .. before)
if limit then
  below = string.format('%012x', cmsgpack.unpack(limit)[1])
end
local newest = '(' .. ns .. (below == '' and '\1' or '\0' .. below)
local page = {limit and 1 or 0, ''}
for _, member in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[1], newest, '[' .. ns .. '\0', 'LIMIT', 0, ARGV[4])) do
  local number, id = string.match(member, '^(%x+)%z(.*)$', #ns + 2)
  page[2] = number
  page[#page + 1] = id
  page[#page + 1] = cmsgpack.unpack(redis.call('HGET', KEYS[2], ns .. '\0' .. id))[4]
end
return page

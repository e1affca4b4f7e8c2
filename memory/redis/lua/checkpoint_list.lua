-- A page of checkpoint ids with their metadata, newest first.
-- KEYS: ids, records
-- ARGV: the id that all must be older than, or "" for none; the page's size
-- Returns {id, metadata, …}
local page = {}
local newest = ARGV[1] == '' and '+' or '(' .. ARGV[1]
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[1], newest, '-', 'LIMIT', 0, ARGV[2])) do
  page[#page + 1] = id
  page[#page + 1] = cmsgpack.unpack(redis.call('HGET', KEYS[2], id))[3]
end
return page

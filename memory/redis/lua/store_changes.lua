-- A page of what changed among a store's vectors since a process looked last.
-- KEYS: meta, vectors, changed, gone
-- ARGV: when the store began as the process knows it, the last removal and the last change it has seen, the page's size
-- Returns {1 if the process must forget all its vectors, when the store began, the last number given out,
--   {id removed, …}, {id, its change's number, vectors, …}}; fewer ids than a page: that was all.
local told = redis.call('HMGET', KEYS[1], 'born', 'tick', 'floor')
local born, last, floor = told[1] or '', told[2] or '0', told[3] or '0'
local removed, change = ARGV[2], ARGV[3]
local stranger = ARGV[1] ~= born or tonumber(removed) < tonumber(floor)
  or math.max(tonumber(removed), tonumber(change)) > tonumber(last)
if stranger then removed, change = last, '0' end
local page = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. change, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local ids, found = {}, {}
for place = 1, #page, 2 do ids[#ids + 1] = page[place] end
if #ids > 0 then
  for place, vectors in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do
    found[#found + 1] = ids[place]
    found[#found + 1] = page[place * 2]
    found[#found + 1] = vectors
  end
end
return {stranger and 1 or 0, born, last, redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. removed, '+inf'), found}

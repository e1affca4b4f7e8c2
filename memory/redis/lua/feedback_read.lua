-- Feedback behind a row of the index, the newest first, or one piece.
-- KEYS: items, order, index, as `Keys.feedback` has them
-- ARGV: id, or '', milliseconds for which it is kept, then how the rows begin, the row behind which to begin, or '', and
--       how many at most
-- Returns {JSON or nil} for an id, else {row, JSON or '', …}: '' for what is too old.
local time = redis.call('TIME')
local since_ms = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]
local function told(id)
  local at = redis.call('ZSCORE', KEYS[2], id)
  return at and tonumber(at) > since_ms and redis.call('HGET', KEYS[1], id)
end
if ARGV[1] ~= '' then
  return {told(ARGV[1])}
end
local first, found = ARGV[3], {}
local from = '(' .. (ARGV[4] ~= '' and ARGV[4] or first .. '\255')
for i, row in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[3], from, '[' .. first, 'LIMIT', 0, ARGV[5])) do
  found[2 * i - 1], found[2 * i] = row, told(string.match(row, '([^%z]*)$')) or ''
end
return found

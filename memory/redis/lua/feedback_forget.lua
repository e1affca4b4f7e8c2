--!include feedback_forgetting
-- Forget feedback: one piece, or what a row of the index begins with.
-- KEYS: items, order, index, as `Keys.feedback` has them
-- ARGV: id, or '' and how the rows begin, how many at most
-- Returns how many were forgotten.
if ARGV[1] ~= '' then
  return forget_feedback(KEYS, ARGV[1])
end
local first, n = ARGV[2], 0
for _, row in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], '[' .. first, '(' .. first .. '\255', 'LIMIT', 0, ARGV[3])) do
  n = n + forget_feedback(KEYS, string.match(row, '([^%z]*)$'))
end
return n

-- The namespaces of a thread's checkpoints.
-- KEYS: ids, and the other keys of a thread's checkpoints
local namespaces, from = {}, '-'
while true do
  local member = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, 1)[1]
  if not member then
    return namespaces
  end
  local ns = string.match(member, '^([^%z]*)%z')
  namespaces[#namespaces + 1] = ns
  from = '(' .. ns .. '\1'
end

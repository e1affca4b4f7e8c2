--!include approvals
-- Record what came of one action of a decision, by the run that acts on it; once, however often that is told.
-- KEYS: approvals, journal, the thread's epoch
-- ARGV: epoch, approval, run id, outcome as JSON, detail as JSON, '1' if nobody knows whether it took effect
-- Returns nil when the epoch is old.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return false
end
local field, now = ARGV[2] .. ':outcome', cjson.decode(ARGV[4])
local outcomes = cjson.decode(redis.call('HGET', KEYS[1], field) or '[]')
local at = #outcomes + 1
for i, one in ipairs(outcomes) do
  if one.action == now.action then
    at = i
    if one.status == now.status and one.result_sha256 == now.result_sha256 then
      return 1 -- told again after a crash
    end
  end
end
outcomes[at] = now
local doubts = {}
for doubt in string.gmatch(redis.call('HGET', KEYS[1], 'doubts') or '', '%x+') do
  if doubt ~= ARGV[2] then
    doubts[#doubts + 1] = doubt
  end
end
if ARGV[6] == '1' then
  doubts[#doubts + 1] = ARGV[2]
end
redis.call('HSET', KEYS[1], field, cjson.encode(outcomes), 'doubts', table.concat(doubts, ' '))
local time = redis.call('TIME')
note({approvals = KEYS[1], journal = KEYS[2]}, time[1] .. string.format('%06d', time[2]), 'ran', ARGV[2], ARGV[3], '',
  ARGV[5])
return 1

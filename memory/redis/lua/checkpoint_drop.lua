--!include fence
--!include checkpoint_forgetting
-- Forget checkpoints with their writes, and whatever nothing else needs any more.
-- KEYS: ids, records, values, elements, writes, runs, epoch
-- ARGV: epoch or '', 'older' to keep the newest of each namespace with what it needs, or 'runs' and run ids
-- Returns how many were forgotten, or -1 if the claim is stale: then nothing changed. While the root graph waits for a
-- person, 'older' keeps all.
local ids, records, values, elements, writes, runs = unpack(KEYS)
if stale(KEYS[7], ARGV[1]) then
  return -1
end
if ARGV[2] == 'runs' then
  local forgotten = 0
  for i = 3, #ARGV do
    forgotten = forgotten + forget_run(ids, records, values, elements, writes, runs, ARGV[i])
  end
  return forgotten
end
if waits(ids, writes) then
  return 0
end

local members, records_of = checkpoints_of(ids, records)
local keep, newest_of = {}, {}
for _, entry in ipairs(members) do
  local ns, id = string.match(entry[2], '^([^%z]*)%z(.*)$')
  newest_of[ns] = id
end

local function keep_with_ancestors(ns, id)
  local open, left = {}, 0
  local place = ns .. '\0' .. id
  keep[place] = true
  for channel in string.gmatch(records_of[place][6], '[^%z]+') do
    open[channel] = true
    left = left + 1
  end
  place = ns .. '\0' .. records_of[place][2]
  while left > 0 and records_of[place] do
    keep[place] = true
    for _, ref in ipairs(records_of[place][5]) do
      local channel = string.match(ref, '^[^%z]*')
      if open[channel] then
        open[channel] = nil
        left = left - 1
      end
    end
    place = ns .. '\0' .. records_of[place][2]
  end
end

for ns, id in pairs(newest_of) do
  keep_with_ancestors(ns, id)
end
return forget_but(keep, members, records_of, ids, records, values, elements, writes)

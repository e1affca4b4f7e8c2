--!include clock
-- Add events to a run's stream and tell readers. Ids are `ms-n`: n counts the run's events from 1 without a gap, and ms
-- never goes back, so whoever misses events knows how many.
-- events: the stream   run: the run's hash, whose fields event_n and event_ms hold the last id
-- kept: how many events stay at least   at: where in ARGV the name of each event is, its data follows
-- channel: where readers hear of it
-- Returns the ids, in order.
local function publish(events, run, kept, at, channel)
  if #at == 0 then
    return {}
  end
  local last = redis.call('HMGET', run, 'event_n', 'event_ms')
  local n = tonumber(last[1] or '0')
  local ms = math.max(now_ms, tonumber(last[2] or '0'))
  local ids = {}
  for i, name_at in ipairs(at) do
    ids[i] = string.format('%d-%d', ms, n + i)
    redis.call('XADD', events, 'MAXLEN', '~', kept, ids[i], 'name', ARGV[name_at], 'data', ARGV[name_at + 1])
  end
  redis.call('HSET', run, 'event_n', string.format('%d', n + #ids), 'event_ms', string.format('%d', ms))
  redis.pcall('PUBLISH', channel, ids[#ids]) -- a user who may not publish is served, too
  return ids
end

-- Where names of events are in ARGV, if the first stands at `from` and the last at `to`.
local function events_at(from, to)
  local at = {}
  for i = from, to, 2 do
    at[#at + 1] = i
  end
  return at
end

-- Add events to a run's stream and tell readers. Ids are `ms-n`: n counts the run's events from 1 without a gap, and ms
-- never goes back, so whoever misses events knows how many.
-- events: the stream   run: the run's hash, whose fields event_n and event_ms hold the last id
-- kept: how many events stay at least   from, to: ARGV[from..to] are name and data of each event
-- channel: where readers hear of it; '' tells nobody
-- Returns the ids, in order.
local function publish(events, run, kept, from, to, channel)
  local last = redis.call('HMGET', run, 'event_n', 'event_ms')
  local n = tonumber(last[1] or '0')
  local time = redis.call('TIME')
  local ms = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(last[2] or '0'))
  local ids = {}
  for i = from, to, 2 do
    n = n + 1
    ids[#ids + 1] = string.format('%d-%d', ms, n)
    redis.call('XADD', events, 'MAXLEN', '~', kept, ids[#ids], 'name', ARGV[i], 'data', ARGV[i + 1])
  end
  if #ids > 0 then
    redis.call('HSET', run, 'event_n', string.format('%d', n), 'event_ms', string.format('%d', ms))
    if channel ~= '' then
      redis.pcall('PUBLISH', channel, ids[#ids]) -- a user who may not publish is served, too
    end
  end
  return ids
end

-- A batch of a tenant's store: what it reads, then what it writes.
-- KEYS: meta, names, items, spaces, order, expiries, vectors, changed, gone
-- ARGV: how many reads there are, how many expired items a write may sweep on the way; the reads; the writes to the end
--   read:   get NAME REFRESH | ids COUNT ID… | walk PREFIX CURSOR SKIP LIMIT GO-ON REFRESH | spaces PREFIX CURSOR |
--           touch COUNT ID…
--   write:  put NAME NAMESPACE-LENGTH TTL-MS VALUE VECTOR | delete NAME
-- A cursor is the last id or number seen; "0" starts, "" says that nothing is left. A call returns a few megabytes at
-- most. Where that cuts a read short, or a walk that must go on after LIMIT items has more, nothing is written, so
-- that no read sees its own batch's writes.
-- Returns {1 if it wrote, number of swept items, a reply a read: {id, record} or nil |
--   {number of ids looked at, id, record, …} | {cursor, skip left, id, record, …} | {cursor, namespace, …} | 0}
local meta, names, items, spaces, order = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local expiries, vectors, changed, gone = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local NUMBER, PAGE, SPACES, GONE = 13, 100, 5000, 5000
local WALKED = 200

local time = redis.call('TIME')
local now_us = time[1] .. string.format('%06d', time[2])
local now_ms = math.floor(tonumber(now_us) / 1000)
local some_expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', now_ms, 'LIMIT', 0, 1)[1]
local room = 4000000
local at = 3

local function argument()
  at = at + 1
  return ARGV[at - 1]
end

local function alive(id)
  if not some_expired then return true end
  local expires = redis.call('ZSCORE', expiries, id)
  return not expires or tonumber(expires) > now_ms
end

-- The parts of a record's head, and where its name begins.
local function head(record)
  return string.match(record, '^(%d+) %d+ (%d+) (%d+) (%d+) ()')
end

local function fetch(id, refresh)
  local record = alive(id) and redis.call('HGET', items, id)
  if record and refresh == '1' then
    local _, ttl = head(record)
    if ttl ~= '0' then redis.call('ZADD', expiries, now_ms + tonumber(ttl), id) end
  end
  return record
end

-- The next number, greater than all before, also after a crash that lost the last ones: it is the time.
local function tick()
  local last = tonumber(redis.call('HGET', meta, 'tick') or 0)
  if last == 0 then redis.call('HSET', meta, 'born', now_us) end
  local next = string.format('%.0f', math.max(last + 1, tonumber(now_us)))
  redis.call('HSET', meta, 'tick', next)
  return next
end

-- What `spaces` says of a namespace: a row for each of its prefixes, itself and the empty one included.
local function rows(namespace, number)
  local found, stop = {'\0' .. number .. namespace}, string.find(namespace, '\0', 1, true)
  while stop do
    found[#found + 1] = string.sub(namespace, 1, stop) .. '\0' .. number .. namespace
    stop = string.find(namespace, '\0', stop + 1, true)
  end
  return found
end

local function forget_vector(id)
  if redis.call('HDEL', vectors, id) == 1 then
    redis.call('ZREM', changed, id)
    redis.call('ZADD', gone, tick(), id)
  end
end

local function drop(id)
  local record, number = redis.call('HGET', items, id), string.sub(id, 1, NUMBER)
  local _, _, space, length, start = head(record)
  local name = string.sub(record, start, start + length - 1)
  redis.call('HDEL', names, name)
  redis.call('HDEL', items, id)
  redis.call('ZREM', order, id)
  redis.call('ZREM', expiries, id)
  forget_vector(id)
  if not redis.call('ZRANGEBYLEX', order, '[' .. number, '(' .. number .. 'g', 'LIMIT', 0, 1)[1] then
    local namespace = string.sub(name, 1, tonumber(space))
    redis.call('HDEL', names, namespace)
    for _, row in ipairs(rows(namespace, number)) do redis.call('ZREM', spaces, row) end
  end
end

local function number_of(namespace)
  local number = redis.call('HGET', names, namespace)
  if not number then
    number = string.format('%013x', tonumber(tick()))
    redis.call('HSET', names, namespace, number)
    for _, row in ipairs(rows(namespace, number)) do redis.call('ZADD', spaces, 0, row) end
  end
  return number
end

local function put(name, space, ttl, value, vector)
  local id, created = redis.call('HGET', names, name), now_us
  if id and not alive(id) then
    drop(id)
    id = false
  end
  if id then
    created = head(redis.call('HGET', items, id))
  else
    id = number_of(string.sub(name, 1, tonumber(space))) .. string.format('%013x', tonumber(tick()))
    redis.call('HSET', names, name, id)
    redis.call('ZADD', order, 0, id)
  end
  redis.call('HSET', items, id, table.concat({created, now_us, ttl, space, #name, ''}, ' ') .. name .. value)
  if ttl == '0' then
    redis.call('ZREM', expiries, id)
  else
    redis.call('ZADD', expiries, now_ms + tonumber(ttl), id)
  end
  if vector == '' then
    forget_vector(id)
  else
    redis.call('HSET', vectors, id, vector)
    redis.call('ZADD', changed, tick(), id)
  end
end

local function sweep(most)
  local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', now_ms, 'LIMIT', 0, most)
  for _, id in ipairs(expired) do drop(id) end
  local surplus = redis.call('ZCARD', gone) - GONE
  if surplus > 0 then
    redis.call('HSET', meta, 'floor', redis.call('ZRANGE', gone, surplus - 1, surplus - 1, 'WITHSCORES')[2])
    redis.call('ZREMRANGEBYRANK', gone, 0, surplus - 1)
  end
  return #expired
end

-- Every id after the cursor in the namespaces under a prefix, oldest namespace first and in it the oldest item first.
local function ids_under(prefix, cursor)
  local lower, upper = '[' .. prefix .. '\0' .. string.sub(cursor, 1, NUMBER), '(' .. prefix .. '\1'
  local listed, space, ids, place = {}, 0, {}, 0
  local number
  return function()
    while true do
      place = place + 1
      if ids[place] then return ids[place] end
      if #ids < PAGE then
        space = space + 1
        if not listed[space] then
          if space > 1 and #listed < PAGE then return nil end
          listed, space = redis.call('ZRANGEBYLEX', spaces, lower, upper, 'LIMIT', 0, PAGE), 1
          if not listed[1] then return nil end
          lower = '(' .. listed[#listed]
        end
        number = string.sub(listed[space], #prefix + 2, #prefix + 1 + NUMBER)
      end
      local from = ids[#ids] or cursor
      from = string.sub(from, 1, NUMBER) == number and '(' .. from or '[' .. number
      ids, place = redis.call('ZRANGEBYLEX', order, from, '(' .. number .. 'g', 'LIMIT', 0, PAGE), 0
    end
  end
end

local complete = true
local reads = {}

function reads.get()
  local id, refresh = redis.call('HGET', names, argument()), argument()
  local record = id and fetch(id, refresh)
  return record and {id, record}
end

function reads.ids()
  local found = {0}
  for place = 1, tonumber(argument()) do
    local id = argument()
    if room > 0 then
      local record = fetch(id, '0')
      if record then
        found[#found + 1] = id
        found[#found + 1] = record
        room = room - #record
      end
      found[1] = place
    end
  end
  return found
end

function reads.touch()
  for _ = 1, tonumber(argument()) do fetch(argument(), '1') end
  return 0
end

function reads.walk()
  local prefix, cursor, skip, limit = argument(), argument(), argument(), argument()
  local go_on, refresh = argument() == '1', argument()
  local found = {'', 0}
  skip, limit = tonumber(skip), tonumber(limit)
  for id in ids_under(prefix, cursor) do
    if limit == 0 and not go_on then break end
    if limit == 0 or room <= 0 then
      complete, found[1] = false, cursor
      break
    end
    room, cursor = room - WALKED, id
    if skip > 0 then
      if alive(id) then skip = skip - 1 end
    else
      local record = fetch(id, refresh)
      if record then
        found[#found + 1] = id
        found[#found + 1] = record
        room, limit = room - #record, limit - 1
      end
    end
  end
  found[2] = skip
  return found
end

-- Whether an item behind `from` of the namespace with this number has not expired; nil and the last one looked at if
-- that took too long.
local function holds(number, from)
  while true do
    local ids = redis.call('ZRANGEBYLEX', order, from, '(' .. number .. 'g', 'LIMIT', 0, PAGE)
    for _, id in ipairs(ids) do
      room = room - WALKED
      if alive(id) then return true end
    end
    if #ids < PAGE then return false end
    if room <= 0 then return nil, ids[PAGE] end
    from = '(' .. ids[PAGE]
  end
end

-- A cursor is a namespace's number, or the id of the last item looked at in a namespace that isn't decided yet.
function reads.spaces()
  local prefix, cursor = argument(), argument()
  local undecided = #cursor > NUMBER
  local lower, upper = prefix .. '\0' .. string.sub(cursor, 1, NUMBER), '(' .. prefix .. '\1'
  lower = (cursor == '0' or undecided) and '[' .. lower or '(' .. lower .. '\255'
  local listed, found = redis.call('ZRANGEBYLEX', spaces, lower, upper, 'LIMIT', 0, SPACES), {''}
  for place, row in ipairs(listed) do
    local number = string.sub(row, #prefix + 2, #prefix + 1 + NUMBER)
    local goes_on = place == 1 and undecided and number == string.sub(cursor, 1, NUMBER)
    local held, last = holds(number, goes_on and '(' .. cursor or '[' .. number)
    if held == nil then
      found[1] = last
      break
    end
    if held then found[#found + 1] = string.sub(row, #prefix + 2 + NUMBER) end
    if room <= 0 or #listed == SPACES then found[1] = number end
    if room <= 0 then break end
  end
  if found[1] ~= '' then complete = false end
  return found
end

local reply = {0, 0}
for read = 1, tonumber(ARGV[1]) do reply[read + 2] = reads[argument()]() end
if complete and tonumber(ARGV[2]) > 0 then
  reply[1], reply[2] = 1, sweep(tonumber(ARGV[2]))
  while at <= #ARGV do
    if argument() == 'put' then
      put(argument(), argument(), argument(), argument(), argument())
    else
      local id = redis.call('HGET', names, argument())
      if id then drop(id) end
    end
  end
end
return reply

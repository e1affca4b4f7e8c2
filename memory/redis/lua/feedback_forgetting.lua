-- What was said of runs is indexed here, and forgotten with its rows.
-- k: keys items, order, index, as `Keys.feedback` has them

-- The rows of the index that name a piece of feedback; told: run NUL thread NUL key NUL time.
local function rows_of(id, told)
  local run, thread, key, at = string.match(told, '^(.-)%z(.-)%z(.-)%z(.*)$')
  local behind = '\0' .. at .. '\0' .. id
  return {'a\0' .. behind, 'k\0' .. key .. behind, 'r\0' .. run .. behind, 't\0' .. thread .. behind}
end

local function forget_feedback(k, id)
  local told = redis.call('HGET', k[1], id .. '\0')
  if not told then
    return 0
  end
  redis.call('HDEL', k[1], id, id .. '\0')
  redis.call('ZREM', k[2], id)
  redis.call('ZREM', k[3], unpack(rows_of(id, told)))
  return 1
end

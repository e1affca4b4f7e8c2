-- Whether a write is refused because a newer epoch wrote or was given out; a newer one than known is remembered.
-- key: the thread's epoch   epoch: the writer's, or '' for a writer without a claim
local function stale(key, epoch)
  if epoch == '' then
    return false
  end
  local held = tonumber(redis.call('GET', key) or '0')
  if held > tonumber(epoch) then
    return true
  end
  if held < tonumber(epoch) then
    redis.call('SET', key, epoch)
  end
  return false
end

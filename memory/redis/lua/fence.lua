-- Whether a write is refused: it comes with another epoch than the thread's, or the thread's is gone with the thread.
-- key: the thread's epoch   epoch: the writer's, or '' for a writer without a claim
local function stale(key, epoch)
  return epoch ~= '' and redis.call('GET', key) ~= epoch
end

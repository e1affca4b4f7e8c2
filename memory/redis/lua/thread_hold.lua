--!include epochs
-- Give the right to write to a thread that no run works on.
-- KEYS: thread, the thread's epoch
-- Returns nil for no such thread, '' while a run works on it, else the epoch.
local active = redis.call('HGET', KEYS[1], 'active')
if not active then
  return false
end
if active ~= '' then
  return ''
end
return advance(KEYS[2])

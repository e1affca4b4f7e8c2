-- What stored values are made of: a list shared by its elements is a tree of digests, 16 bytes each.
-- found: array that gets digest and bytes of each element once   seen: digests already in it
local gather
function gather(key, digests, found, seen)
  local wanted = {}
  for _, digest in ipairs(digests) do
    if not seen[digest] then
      seen[digest] = true
      wanted[#wanted + 1] = digest
    end
  end
  local below = {}
  for from = 1, #wanted, 500 do
    local upto = math.min(from + 499, #wanted)
    for i, bytes in ipairs(redis.call('HMGET', key, unpack(wanted, from, upto))) do
      if bytes then
        found[#found + 1] = wanted[from + i - 1]
        found[#found + 1] = bytes
        if string.byte(bytes) == 1 then
          for at = 2, #bytes, 16 do
            below[#below + 1] = string.sub(bytes, at, at + 15)
          end
        end
      end
    end
  end
  if #below > 0 then
    gather(key, below, found, seen)
  end
end

local function gather_value(key, value, found, seen)
  if value and string.byte(value) == 1 then
    local top = {}
    for at = 11, #value, 16 do
      top[#top + 1] = string.sub(value, at, at + 15)
    end
    gather(key, top, found, seen)
  end
end

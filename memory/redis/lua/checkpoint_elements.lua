-- What stored values are made of: a list shared by its elements is a tree of digests, 16 bytes each.
-- found: array that gets tables of digests and of their bytes by turns   seen: digests that are left out with all below
--        them: those already in it, and what the caller has
local function gather(key, digests, depth, found, seen)
  while #digests > 0 do
    local wanted = {}
    for _, digest in ipairs(digests) do
      if not seen[digest] then
        seen[digest] = true
        wanted[#wanted + 1] = digest
      end
    end
    digests = {}
    for from = 1, #wanted, 500 do
      local upto = math.min(from + 499, #wanted)
      local bytes = redis.call('HMGET', key, unpack(wanted, from, upto))
      found[#found + 1] = upto - from + 1 == #wanted and wanted or {unpack(wanted, from, upto)}
      found[#found + 1] = bytes
      for i = 1, depth > 0 and #bytes or 0 do
        for at = 2, bytes[i] and #bytes[i] or 0, 16 do
          digests[#digests + 1] = string.sub(bytes[i], at, at + 15)
        end
      end
    end
    depth = depth - 1
  end
end

local function gather_value(key, value, found, seen)
  if value and string.byte(value) == 1 then
    local top = {}
    for at = 11, #value, 16 do
      top[#top + 1] = string.sub(value, at, at + 15)
    end
    gather(key, top, string.byte(value, 2), found, seen)
  end
end

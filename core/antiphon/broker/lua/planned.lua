-- What a recovery has planned, given up when it does not go on. Included after record.lua.

-- Drop delayed events, joins that wait, and a root that nobody heard. Returns how many, and what
-- else is outstanding.
local function drop_planned()
  local dropped, rest = 0, {}
  for _, name in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    local kind, what, last = string.match(name, '^(.-)|(.*)|(.-)$')
    if kind == 'later' or kind == 'join' or last == '?' then
      redis.call('SREM', KEYS[2], name)
      redis.call('ZREM', KEYS[13], timer(kind, what))
      redis.call('HDEL', KEYS[15], kind .. ':' .. what)
      dropped = dropped + 1
    else
      rest[#rest + 1] = name
    end
  end
  return dropped, rest
end

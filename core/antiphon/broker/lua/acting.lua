-- Whether anybody still acts on a recovery's incident. Included after announce.lua.
-- Another failure is no news while somebody does; afterwards it is: the repair did not hold.
-- `kind` is the type; `any` and `about` are the places of its subscribers among the keys.
local function acting(kind, any, about)
  local latest = redis.call('HGET', KEYS[1], 'latest')
  local member = kind .. '|' .. (latest or '') .. '|'
  local owed = {member .. '?'}
  for _, group in ipairs(subscribers(any, about)) do owed[#owed + 1] = member .. group end
  for _, is in ipairs(redis.call('SMISMEMBER', KEYS[2], unpack(owed))) do
    if is == 1 then return true end
  end
  return false
end

-- May another failure be acted on within this recovery? Else it is over, or the failure is no news.
local function again(kind, any, about)
  return redis.call('HGET', KEYS[1], 'status') == 'open' and not acting(kind, any, about)
end

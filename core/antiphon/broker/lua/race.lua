-- Joins that do not need all their branches: who won, and what is not needed any more.
-- Included after join.lua.
-- ARGV[26] the types of event that the handler says it brings, a blank between

-- Whether the names of the branches must be known: to time out, or to cancel losers.
local function unnamed(need)
  if ARGV[22] ~= '' then return false end
  local within, total, losers = string.match(ARGV[21], '^(%d+) (%d+) (%a+)')
  local have = redis.call('HLEN', KEYS[28])
  if have + 1 - redis.call('HEXISTS', KEYS[28], ARGV[19]) >= need then -- it fires
    return losers == 'cancel' and need < tonumber(total)
  end
  return within ~= '0' and have == 0
end

-- The join of this handler fires, for the first time, and some of its branches have not come.
local function win(need)
  local total, losers = string.match(ARGV[21], '^%d+ (%d+) (%a+)')
  if need >= tonumber(total or need) then return end
  note('won', 'group', ARGV[3], 'event', ARGV[8], 'branch', ARGV[19], 'losers', losers)
  if losers ~= 'cancel' then return end
  for name, branch in pairs(cjson.decode(ARGV[22])) do
    if redis.call('HEXISTS', KEYS[28], name) == 0 then
      for _, subject in ipairs(branch[2]) do
        redis.call('HSET', KEYS[1], 'outrun:' .. branch[1] .. '@' .. subject, ARGV[3] .. '|' .. now,
          'outran', 1)
      end
    end
  end
end

-- Returns the reply of a delivery all of whose completions have come too late, or nil.
local function outrun()
  if ARGV[26] == '' or flag('i') or flag('n') then return nil end
  local by
  for kind in string.gmatch(ARGV[26], '%S+') do
    local any, about = unpack(redis.call('HMGET', KEYS[1], 'outrun:' .. kind .. '@*',
      'outrun:' .. kind .. '@' .. ARGV[7]))
    local group, at = string.match(any or about or '', '^(.*)|(%d+)$')
    -- What came after the join had fired is a step that follows from it, and no loser.
    local later = at and tonumber(string.match(ARGV[4], '^%d+')) > tonumber(at)
    if not group or group == ARGV[3] or later then return nil end
    by = group
  end
  if key.mine then redis.call('DEL', KEYS[26]) end
  acknowledge()
  note('outrun', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'by', by)
  return {11, by, settle(), tried()}
end

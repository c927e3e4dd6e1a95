-- The delivery that is looked at. Included after incident.lua.
-- KEYS[16] stream   KEYS[19] due zset of the group
-- ARGV[3] group     ARGV[4] entry id    ARGV[5] consumer       ARGV[6] event type
-- ARGV[10] flags: r recorded, n news of a recovery, f failure, o it opens a recovery of its own,
--   i read from the inbox
local function flag(letter) return string.find(ARGV[10], letter, 1, true) ~= nil end

local member = (flag('i') and 'inbox' or ARGV[6]) .. '|' .. ARGV[4]
local delivery = member .. '|' .. ARGV[3]

-- Is the entry still pending with this consumer?
local function ours()
  local p = redis.call('XPENDING', KEYS[16], ARGV[3], ARGV[4], ARGV[4], 1)
  return p[1] and p[1][2] == ARGV[5]
end

local function acknowledge()
  redis.call('XACK', KEYS[16], ARGV[3], ARGV[4])
  redis.call('ZREM', KEYS[19], member)
  redis.call('SREM', KEYS[2], delivery)
end

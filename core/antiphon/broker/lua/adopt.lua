-- Where one delivery stands before it may run. Included after announce.lua.
-- KEYS[10] stream   KEYS[11] subscribers, any subject   KEYS[12] subscribers about this subject
-- KEYS[13] due zset of the group
-- ARGV[3] group     ARGV[4] entry id    ARGV[5] consumer       ARGV[6] event type
-- ARGV[7] subject   ARGV[8] event id    ARGV[9] causation id or ''
-- ARGV[10] flags: r recorded, n news of a closed recovery, f failure, i read from the inbox
-- ARGV[11] lifetime of an idempotency key, ms
local function flag(letter) return string.find(ARGV[10], letter, 1, true) ~= nil end

local member = (flag('i') and 'inbox' or ARGV[6]) .. '|' .. ARGV[4]
local delivery = member .. '|' .. ARGV[3]

-- Is the entry still pending with this consumer?
local function ours()
  local p = redis.call('XPENDING', KEYS[10], ARGV[3], ARGV[4], ARGV[4], 1)
  return p[1] and p[1][2] == ARGV[5]
end

local function acknowledge()
  redis.call('XACK', KEYS[10], ARGV[3], ARGV[4])
  redis.call('ZREM', KEYS[13], member)
  redis.call('SREM', KEYS[2], delivery)
end

-- Take an entry written by a bare XADD into the record at first sight.
-- Returns 'known', 'new', 'news', or 'closed' when the entry belongs to a finished recovery.
local function adopt()
  if redis.call('SISMEMBER', KEYS[2], delivery) == 1 then return 'known' end
  local stamp = tonumber(string.match(ARGV[4], '^%d+'))
  local seen = 'adopted:' .. member
  local status, adopted = unpack(redis.call('HMGET', KEYS[1], 'status', seen))
  if flag('n') then
    return status and stamp > now - ARGV[11] and 'news' or 'closed'
  elseif not status then
    if stamp < now - ARGV[2] then return 'closed' end
  elseif status == 'closed' and (flag('r') or adopted) then
    return 'closed'
  end
  if not adopted and not flag('i') and (not status or not flag('r')) then
    announce('adopted', {type = ARGV[6], subject = ARGV[7], event = ARGV[8], entry = ARGV[4],
      cause = ARGV[9], by = '', failure = flag('f') and '1' or '0', at = stamp},
      subscribers(11, 12))
    redis.call('HSET', KEYS[1], seen, 1)
  end
  return 'new'
end

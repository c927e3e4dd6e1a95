-- Where one delivery stands before it may run. Included after incident.lua.
-- KEYS[12] stream   KEYS[13] subscribers, any subject   KEYS[14] subscribers about this subject
-- KEYS[15] due zset of the group   KEYS[16..22] the incident, as incident.lua lists them
-- ARGV[3] group     ARGV[4] entry id    ARGV[5] consumer       ARGV[6] event type
-- ARGV[7] subject   ARGV[8] event id    ARGV[9] causation id or ''
-- ARGV[10] flags: r recorded, n news of a recovery, f failure, o it opens a recovery of its own,
--   i read from the inbox   ARGV[11] lifetime of an idempotency key, ms
-- ARGV[12] what begins with a failure, ARGV[13] which recovery is known to be over: incident.lua
local function flag(letter) return string.find(ARGV[10], letter, 1, true) ~= nil end

local member = (flag('i') and 'inbox' or ARGV[6]) .. '|' .. ARGV[4]
local delivery = member .. '|' .. ARGV[3]

-- Is the entry still pending with this consumer?
local function ours()
  local p = redis.call('XPENDING', KEYS[12], ARGV[3], ARGV[4], ARGV[4], 1)
  return p[1] and p[1][2] == ARGV[5]
end

local function acknowledge()
  redis.call('XACK', KEYS[12], ARGV[3], ARGV[4])
  redis.call('ZREM', KEYS[15], member)
  redis.call('SREM', KEYS[2], delivery)
end

-- Take an entry written by a bare XADD into the record at first sight.
-- Returns 'known', 'new', 'news', 'closed' when the entry belongs to a finished recovery, and the
-- id of an open recovery that it should join instead.
local function adopt()
  if redis.call('SISMEMBER', KEYS[2], delivery) == 1 then return 'known' end
  local stamp = tonumber(string.match(ARGV[4], '^%d+'))
  local seen = 'adopted:' .. member
  local status, adopted = unpack(redis.call('HMGET', KEYS[1], 'status', seen))
  local begins = not status and flag('o') and not flag('i')
  if flag('n') then
    return status and stamp > now - ARGV[11] and 'news' or 'closed'
  elseif not status then
    if stamp < now - ARGV[2] then return 'closed' end
  elseif status == 'closed' and (flag('r') or adopted) then
    return 'closed'
  end
  if begins then
    if string.sub(redis.call('GET', KEYS[22]) or '', 1, 1) == '@' then return 'closed' end
    local other = joinable(16, ARGV[12], ARGV[13])
    if other then return 'joins', other end
  end
  if not adopted and not flag('i') and (not status or not flag('r')) then
    announce('adopted', {type = ARGV[6], subject = ARGV[7], event = ARGV[8], entry = ARGV[4],
      cause = ARGV[9], by = '', failure = flag('f') and '1' or '0', at = stamp},
      subscribers(13, 14))
    redis.call('HSET', KEYS[1], seen, 1)
    if begins then begin(16, ARGV[6], ARGV[7], ARGV[12], ARGV[13]) end
  end
  return 'new'
end

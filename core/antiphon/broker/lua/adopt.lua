-- Where one delivery stands before it may run. Included after place.lua.
-- KEYS[17] subscribers, any subject   KEYS[18] subscribers about this subject
-- KEYS[20..25] the incident, as incident.lua lists them
-- ARGV[7] subject   ARGV[8] event id    ARGV[9] causation id or ''
-- ARGV[11] lifetime of an idempotency key, ms
-- ARGV[12] what begins with a failure, ARGV[13] which recovery is known to be over: incident.lua
-- ARGV[14] source of the event   ARGV[15] the recovery that started this one as its child, or ''

-- Take an entry written by a bare XADD into the record at first sight.
-- Returns 'known', 'new', 'news', 'closed' when the entry belongs to a finished recovery, or 'joins'
-- with the id of the open recovery it should join instead.
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
    if string.sub(redis.call('GET', KEYS[25]) or '', 1, 1) == '@' then return 'closed' end
    local other = joinable(20, ARGV[12], ARGV[13])
    if other then return 'joins', other end
  end
  if not adopted and not flag('i') and (not status or not flag('r')) then
    local entry = not status and redis.call('XRANGE', KEYS[16], ARGV[4], ARGV[4])[1]
    announce('adopted', {type = ARGV[6], subject = ARGV[7], event = ARGV[8], entry = ARGV[4],
      cause = ARGV[9], by = '', failure = flag('f') and '1' or '0', at = stamp,
      source = ARGV[14], parent = ARGV[15], trace = entry and carried(entry[2], 1), terms = string.match(ARGV[12], '^%S+ %S+ %S+')},
      subscribers(17, 18))
    redis.call('HSET', KEYS[1], seen, 1)
    if begins then begin(20, ARGV[6], ARGV[7], ARGV[12], ARGV[13]) end
  end
  return 'new'
end

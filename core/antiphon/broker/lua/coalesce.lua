-- Let a failure join the open recovery of its incident: counted there, and not acted on again.
-- include clock, record
-- KEYS[1..15] record of the recovery to join   KEYS[16] published marker of the failure   string
-- KEYS[17] stream   KEYS[18] due zset of the group, both of the delivery that brought it, if any
-- ARGV[1..2] record   ARGV[3] marker lifetime, ms   ARGV[4] type   ARGV[5] subject   ARGV[6] event
-- ARGV[7] '1' to join, '' to look only    ARGV[8] group, '' without a delivery
-- ARGV[9] entry id    ARGV[10] consumer   ARGV[11] source: who says so
-- Returns {1, how many have joined, 1 when it was counted now}, {0, when it closed in ms, verdict}
--   when that recovery is over, or the failure has a recovery of its own.
local status, closed, verdict, opened = unpack(redis.call('HMGET', KEYS[1], 'status', 'closed',
  'verdict', 'opened'))
local marker = redis.call('GET', KEYS[16]) or ''
-- What was written before the recovery closed is no news, however late it is read.
local late = status == 'closed' and ARGV[9] ~= ''
  and tonumber(string.match(ARGV[9], '^%d+')) < tonumber(closed)
if (status ~= 'open' and not late) or ARGV[7] == '' or string.match(marker, '^[^@]') then
  return {0, tonumber(closed or opened or 0), verdict or ''}
end
if ARGV[8] ~= '' then
  local p = redis.call('XPENDING', KEYS[17], ARGV[8], ARGV[9], ARGV[9], 1)
  if p[1] and p[1][2] == ARGV[10] then
    redis.call('XACK', KEYS[17], ARGV[8], ARGV[9])
    redis.call('ZREM', KEYS[18], ARGV[4] .. '|' .. ARGV[9])
  end
end
local count = tonumber(redis.call('HGET', KEYS[1], 'coalesced') or 0)
if marker ~= '' then return {1, count, 0} end
redis.call('SET', KEYS[16], '@' .. ARGV[1], 'PX', ARGV[3])
count = redis.call('HINCRBY', KEYS[1], 'coalesced', 1)
if count <= 64 or count % 64 == 0 then
  note('coalesced', 'event', ARGV[6], 'type', ARGV[4], 'subject', ARGV[5], 'entry', ARGV[9],
    'count', count, 'source', ARGV[11])
end
return {1, count, 1}

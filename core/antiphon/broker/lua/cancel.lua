-- Cancel a recovery: no further step of it starts.
-- include clock, record, escalate, judge, account, settle, planned
-- KEYS[1..15] record   KEYS[16] audit   stream
-- ARGV[1..2] record    ARGV[3] who   ARGV[4] why   ARGV[5] '1' when it may not have begun yet
-- Returns {1, verdict, how much was dropped, outstanding member, ...} cancelled now,
--   {2} no such recovery, {3, verdict} it is over, {4, and as above} it was cancelled before,
--   {5} it will be cancelled when it begins.
local status, verdict, before = unpack(redis.call('HMGET', KEYS[1], 'status', 'verdict', 'cancelled'))
if not status and ARGV[5] == '' then return {2} end
if status == 'closed' then return {3, verdict} end
if status and not before then -- the first write: when the audit takes no entry, nothing is cancelled
  redis.call('XADD', KEYS[16], 'MAXLEN', '~', 10000, '*', 'action', 'cancel', 'what', ARGV[1],
    'by', ARGV[3], 'reason', ARGV[4])
end
if not before then
  redis.call('HSET', KEYS[1], 'cancelled', ARGV[3] .. (ARGV[4] ~= '' and ': ' .. ARGV[4] or ''))
end
if not status then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {5}
end
if not before then
  if redis.call('HEXISTS', KEYS[1], 'undoing') == 1 then
    redis.call('HSET', KEYS[1], 'undoing', 'cancelled')
  end
  note('cancelled', 'by', ARGV[3], 'reason', ARGV[4])
end
local dropped, rest = drop_planned()
local reply = {before and 4 or 1, settle(), dropped}
for _, name in ipairs(rest) do reply[#reply + 1] = name end
return reply

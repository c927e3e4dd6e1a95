-- A recovery that this one had started is over: tell its handlers.
-- include clock, record, escalate, judge, account, settle, announce, ring
-- KEYS[1..15] record of the parent   KEYS[16] stream of child.closed   KEYS[17] subscribers of any
--   subject   KEYS[18] subscribers about the child's subject   KEYS[19] the child's recovery   hash
-- ARGV[1..2] record of the parent    ARGV[3..5] timer   ARGV[6] the child's correlation id
-- ARGV[7] its subject   ARGV[8] the type of the event that opened it
-- Returns {1, verdict, the child's verdict} told now, {0} when nobody waits, or it is open again.
local status, verdict, closes = unpack(redis.call('HMGET', KEYS[19], 'status', 'verdict', 'closes'))
if status ~= 'closed' then redis.call('ZREM', KEYS[13], ARGV[3]) return {0} end
local plan = redis.call('HGET', KEYS[15], ARGV[5])
if not fires() then return {0} end
local started = cjson.decode(plan or '{}')
local id = fit(ARGV[6] .. ':closed:' .. closes)
local groups = subscribers(17, 18)
local entry = redis.call('XADD', KEYS[16], '*', 'specversion', '1.0', 'id', id,
  'source', 'antiphon', 'type', 'child.closed', 'subject', ARGV[7], 'correlationid', ARGV[1],
  'causationid', started.cause or ARGV[6], 'recorded', '1', 'hops', (started.hops or 0) + 1,
  'data', string.format('{"child":%s,"event_type":%s,"verdict":%s}', text(ARGV[6]), text(ARGV[8]),
    text(verdict)), unpack(traced(19))) -- where the step was that started it
fired()
note('child_closed', 'child', ARGV[6], 'verdict', verdict, 'event', id)
announce('published', {type = 'child.closed', subject = ARGV[7], event = id, entry = entry,
  cause = started.cause or ARGV[6], by = started.by or '', failure = '0'}, groups)
if #groups == 0 and verdict ~= 'completed' then
  blame('unanswered', entry, 'the child recovery ' .. ARGV[6] .. ' about ' .. ARGV[7] .. ' ended as '
    .. verdict .. ', and no handler answered')
end
return {1, settle(), verdict}

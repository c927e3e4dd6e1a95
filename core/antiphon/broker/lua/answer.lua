-- One person's answer to a request for approval.
-- include clock, record, escalate
-- KEYS[1..15] record   KEYS[16] request   hash   KEYS[17] requests   zset
-- KEYS[18] stream of approval.granted   KEYS[19] stream of approval.denied
-- KEYS[20] due zset of the group   KEYS[21] audit   stream
-- ARGV[1..2] record   ARGV[3] request id   ARGV[4] who   ARGV[5] why   ARGV[6] '1' to agree
-- ARGV[7] group   ARGV[8] delivery in the due zset   ARGV[9] subject of the step
-- Returns {1, state, votes, quorum}, {2} no such request, {3, state, by, at ms} it was answered,
--   {4, due ms} too late, {5} not one of those who may, {6} who asks may not answer,
--   {7} answered before by this person, {8} the recovery does not go on.
local r, names = {}, {'state', 'who', 'requester', 'quorum', 'due', 'otherwise', 'last', 'by', 'at',
  'event', 'type', 'votes'}
for i, value in ipairs(redis.call('HMGET', KEYS[16], unpack(names))) do r[names[i]] = value or nil end
if not r.state then return {2} end
if r.state ~= 'pending' then return {3, r.state, r.by or '', tonumber(r.at or 0)} end
local status, cancelled, halted = unpack(redis.call('HMGET', KEYS[1], 'status', 'cancelled', 'halted'))
local news = string.match(r.type, '^recovery%.') or string.match(r.type, '^approval%.')
if not news and (status ~= 'open' or cancelled or halted) then return {8} end
local due = tonumber(r.due)
if due and now >= due and r.last == '1' and r.otherwise ~= 'escalate' then return {4, due} end
local who = string.lower(ARGV[4])
if who == string.lower(r.requester) then return {6} end
local may = cjson.decode(r.who)
local named = #may == 0
for _, name in ipairs(may) do named = named or string.lower(name) == who end
if not named then return {5} end
if redis.call('HEXISTS', KEYS[16], 'vote:' .. who) == 1 then return {7} end
local agrees, kind, stream, votes = ARGV[6] == '1', 'denied', 19, tonumber(r.votes or 0)
-- The first write: when the audit takes no entry, nothing is answered.
redis.call('XADD', KEYS[21], 'MAXLEN', '~', 10000, '*', 'action', agrees and 'approve' or 'deny',
  'what', ARGV[3], 'by', ARGV[4], 'reason', ARGV[5])
redis.call('HSET', KEYS[16], 'vote:' .. who, now)
if agrees then kind, stream, votes = 'approved', 18, redis.call('HINCRBY', KEYS[16], 'votes', 1) end
local event = 'approval.' .. (agrees and 'granted' or 'denied')
note(kind, 'approval', ARGV[3], 'group', ARGV[7], 'event', r.event, 'by', ARGV[4],
  'reason', ARGV[5], 'votes', votes, 'quorum', r.quorum)
if agrees and votes < tonumber(r.quorum) then return {1, 'pending', votes, tonumber(r.quorum)} end
local state = agrees and 'granted' or 'denied'
redis.call('HSET', KEYS[16], 'state', state, 'by', ARGV[4], 'reason', ARGV[5], 'at', now)
redis.call('ZREM', KEYS[17], ARGV[3])
redis.call('ZADD', KEYS[20], 'XX', now, ARGV[8])
if agrees then redis.call('HSET', KEYS[1], 'approved:' .. ARGV[8] .. '|' .. ARGV[7], now) end
-- A blocked stream silences the news; it must not undo what was decided.
redis.pcall('XADD', KEYS[stream], '*', 'specversion', '1.0', 'id', ARGV[3] .. ':' .. state,
  'source', 'antiphon', 'type', event, 'subject', ARGV[9], 'correlationid', ARGV[1],
  'causationid', r.event, 'hops', '0', 'recorded', '1', 'data', string.format(
    '{"approval":%s,"step":%s,"event_type":%s,"event_id":%s,"by":%s,"reason":%s}', text(ARGV[3]),
    text(ARGV[7]), text(r.type), text(r.event), text(ARGV[4]), text(ARGV[5])), unpack(traced()))
return {1, state, votes, tonumber(r.quorum)}

-- A join did not get all it needs in time: say which branches are missing.
-- include clock, record, escalate, judge, account, settle, announce, ring
-- KEYS[1..15] record   KEYS[16] stream of join.timed_out   KEYS[17] subscribers of any subject
-- KEYS[18] subscribers about the recovery's subject        KEYS[19] join   hash
-- ARGV[1..2] record    ARGV[3..5] timer   ARGV[6] group    ARGV[7] the recovery's subject
-- Returns {1, verdict, missing, joined by commas, arrived, needed} timed out, {0} not due any more.
local plan = redis.call('HGET', KEYS[15], ARGV[5])
if not fires() or not plan then return {0} end
local join, missing, arrived = cjson.decode(plan), {}, {}
for name in pairs(cjson.decode(join.branches)) do
  local list = redis.call('HEXISTS', KEYS[19], name) == 1 and arrived or missing
  list[#list + 1] = name
end
table.sort(missing)
table.sort(arrived)
local names, id = table.concat(missing, ','), fit(ARGV[1] .. ':timeout:' .. ARGV[6])
local entry = redis.call('XADD', KEYS[16], '*', 'specversion', '1.0', 'id', id,
  'source', 'antiphon', 'type', 'join.timed_out', 'subject', ARGV[7], 'correlationid', ARGV[1],
  'causationid', join.cause, 'hops', join.hops + 1, 'recorded', '1', 'data', string.format(
    '{"step":%s,"missing":%s,"arrived":%s,"needed":%d}', text(ARGV[6]), listed(missing),
    listed(arrived), join.need), unpack(traced()))
fired()
redis.call('HSET', KEYS[1], 'timedout:' .. ARGV[6], now)
note('timed_out', 'group', ARGV[6], 'have', #arrived, 'need', join.need, 'missing', names,
  'event', id)
announce('published', {type = 'join.timed_out', subject = ARGV[7], event = id, entry = entry,
  cause = join.cause, by = ARGV[6], failure = '0'}, subscribers(17, 18))
return {1, settle(), names, #arrived, tonumber(join.need)}

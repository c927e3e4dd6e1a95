-- A recovery is open at its deadline: say what it waits for.
-- include clock, record, escalate, judge, account, settle, ring
-- KEYS[1..15] record   KEYS[16] stream of recovery.stalled
-- ARGV[1..2] record    ARGV[3..5] timer   ARGV[6] how many names at most
-- Returns {1, '', outstanding, joined by commas, deadline ms, how many, why} stalled now, {0} not
--   due, or it is over.
if not fires() then return {0} end
fired()
local status, deadline, subject, terms = unpack(redis.call('HMGET', KEYS[1], 'status', 'deadline',
  'subject', 'terms'))
if status ~= 'open' then return {0} end
local names, count = redis.call('SRANDMEMBER', KEYS[2], ARGV[6]), redis.call('SCARD', KEYS[2])
table.sort(names)
local why = 'it is past its deadline, and waits for ' .. table.concat(names, ', ')
if count > #names then why = why .. ' and ' .. count - #names .. ' more' end
redis.call('HSET', KEYS[1], 'stalled', now)
-- A blocked stream silences the news; people are told all the same.
redis.pcall('XADD', KEYS[16], '*', 'specversion', '1.0', 'id', fit(ARGV[1] .. ':stalled:' .. deadline),
  'source', 'antiphon', 'type', 'recovery.stalled', 'subject', subject, 'correlationid', ARGV[1],
  'hops', '0', 'recorded', '1', 'data', string.format('{"reason":%s,"deadline_ms":%d,"outstanding":%s}',
    text(why), deadline, listed(names)), unpack(traced()))
note('stalled', 'deadline', deadline, 'outstanding', table.concat(names, ','))
escalate(string.match(terms, '^%S+ %S+ (%S+)'), {guard = 'deadline', name = 'recovery', limit = 0,
  value = count, why = why, tier = 1, tried = names})
return {1, '', table.concat(names, ','), deadline, count, why}

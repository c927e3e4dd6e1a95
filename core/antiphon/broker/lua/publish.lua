-- Publish one event from outside a handler, once per event id, and open its recovery.
-- include record
-- include settle
-- include announce
-- KEYS[1..9] record   KEYS[10] event stream   KEYS[11] subscribers of the type, any subject   set
-- KEYS[12] subscribers of the type about this subject   set   KEYS[13] published marker   string
-- ARGV[1..2] record   ARGV[3] marker lifetime, ms   ARGV[4] type   ARGV[5] subject
-- ARGV[6] event id    ARGV[7] causation id or ''    ARGV[8] '1' when the event is a failure
-- ARGV[9...] the entry's fields and values
-- Returns {entry id, 1} when written now, {entry id, 0} when it had been written before.
local prior = redis.call('GET', KEYS[13])
if prior then return {prior, 0} end
local groups = subscribers(11, 12)
local entry = redis.call('XADD', KEYS[10], '*', 'recorded', '1', unpack(ARGV, 9))
redis.call('SET', KEYS[13], entry, 'PX', ARGV[3])
announce('published', {type = ARGV[4], subject = ARGV[5], event = ARGV[6], entry = entry,
  cause = ARGV[7], by = '', failure = ARGV[8]}, groups)
settle()
return {entry, 1}

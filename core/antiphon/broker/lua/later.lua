-- Publish an event whose time has come.
-- include clock, record, escalate, judge, account, settle, announce, ring
-- KEYS[1..15] record   KEYS[16] its stream   KEYS[17] subscribers of any subject
-- KEYS[18] subscribers about its subject
-- ARGV[1..2] record    ARGV[3..5] timer      ARGV[6] type   ARGV[7] subject   ARGV[8] id
-- ARGV[9] '1' when it is a failure           ARGV[10] cause   ARGV[11] by
-- ARGV[12...] fields and values
-- Returns {1, verdict, entry id} published, {0} not due any more.
if not fires() then return {0} end
local entry = redis.call('XADD', KEYS[16], '*', 'recorded', '1', unpack(ARGV, 12))
fired()
announce('published', {type = ARGV[6], subject = ARGV[7], event = ARGV[8], entry = entry,
  cause = ARGV[10], by = ARGV[11], failure = ARGV[9]}, subscribers(17, 18))
return {1, settle(), entry}

-- Publish one event from outside a handler, once per event id, and open its recovery.
-- include clock, record, escalate, judge, account, settle, announce, trip, relapse, storm, incident
-- KEYS[1..15] record   KEYS[16] event stream   KEYS[17] subscribers of the type, any subject   set
-- KEYS[18] subscribers of the type about this subject   set   KEYS[19...] the incident, six:
--   incident.lua lists them; the last is the published marker
-- ARGV[1..2] record   ARGV[3] marker lifetime, ms   ARGV[4] type   ARGV[5] subject
-- ARGV[6] event id    ARGV[7] causation id or ''    ARGV[8] '1' when the event is a failure
-- ARGV[9] what begins with it, ARGV[10] which recovery is known to be over: incident.lua
-- ARGV[11] '1' when it is a failure that begins a recovery of its own   ARGV[12] its source
-- ARGV[13...] the entry's fields and values
-- Returns {entry id, 1, news, ...} when written now: incident.lua;
--   {entry id, 0} when it had been written before, {recovery, 2} when it should join this open one,
--   {recovery, 3} when it was counted there before.
local prior = redis.call('GET', KEYS[24])
local counted = string.match(prior or '', '^@(.*)$')
if counted then return {counted, 3} end
if prior then return {prior, 0} end
local begins = ARGV[11] == '1' and redis.call('EXISTS', KEYS[1]) == 0
local other = begins and joinable(19, ARGV[9], ARGV[10])
if other then return {other, 2} end
local groups = subscribers(17, 18)
local entry = redis.call('XADD', KEYS[16], '*', 'recorded', '1', unpack(ARGV, 13))
redis.call('SET', KEYS[24], entry, 'PX', ARGV[3])
announce('published', {type = ARGV[4], subject = ARGV[5], event = ARGV[6], entry = entry,
  cause = ARGV[7], by = '', failure = ARGV[8], source = ARGV[12], trace = carried(ARGV, 13),
  terms = string.match(ARGV[9], '^%S+ %S+ %S+')}, groups)
if begins then begin(19, ARGV[4], ARGV[5], ARGV[9], ARGV[10]) end
settle()
return {entry, 1, unpack(news)}

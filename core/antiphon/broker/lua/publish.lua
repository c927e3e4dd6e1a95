-- Publish one event from outside a handler, once per event id, and open its recovery.
-- include clock, record, settle, announce, escalate, trip, relapse, storm, incident
-- KEYS[1..11] record   KEYS[12] event stream   KEYS[13] subscribers of the type, any subject   set
-- KEYS[14] subscribers of the type about this subject   set   KEYS[15...] the incident, seven:
--   incident.lua lists them; the last is the published marker
-- ARGV[1..2] record   ARGV[3] marker lifetime, ms   ARGV[4] type   ARGV[5] subject
-- ARGV[6] event id    ARGV[7] causation id or ''    ARGV[8] '1' when the event is a failure
-- ARGV[9] what begins with a failure of its own: incident.lua; '' for any other event
-- ARGV[10] which recovery is known to be over: incident.lua
-- ARGV[11...] the entry's fields and values
-- Returns {entry id, 1, news, ...} when written now: incident.lua;
--   {entry id, 0} when it had been written before, {recovery, 2} when it should join this open one,
--   {recovery, 3} when it was counted there before.
local prior = redis.call('GET', KEYS[21])
local counted = string.match(prior or '', '^@(.*)$')
if counted then return {counted, 3} end
if prior then return {prior, 0} end
local begins = ARGV[9] ~= '' and redis.call('EXISTS', KEYS[1]) == 0
local other = begins and joinable(15, ARGV[9], ARGV[10])
if other then return {other, 2} end
local groups = subscribers(13, 14)
local entry = redis.call('XADD', KEYS[12], '*', 'recorded', '1', unpack(ARGV, 11))
redis.call('SET', KEYS[21], entry, 'PX', ARGV[3])
announce('published', {type = ARGV[4], subject = ARGV[5], event = ARGV[6], entry = entry,
  cause = ARGV[7], by = '', failure = ARGV[8]}, groups)
if begins then begin(15, ARGV[4], ARGV[5], ARGV[9], ARGV[10]) end
settle()
return {entry, 1, unpack(news)}

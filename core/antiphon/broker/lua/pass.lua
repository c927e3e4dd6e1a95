-- Pass over a delivery its handler does not want, after taking a foreign entry into the record.
-- include clock, record, escalate, judge, account, settle, announce, trip, relapse, storm, incident
-- include place, adopt
-- KEYS[1..25] record, delivery, incident
-- ARGV[1..15] record, delivery, incident
-- Returns {1, verdict, 1 when the record waited for it and 0 when not, news, ...}, {2, '', 0} when
--   the delivery is not ours, {9, recovery} for a failure that should join this open recovery.
if not ours() then return {2, '', 0} end
local standing, other = adopt()
if standing == 'joins' then return {9, other} end
local awaited = redis.call('SISMEMBER', KEYS[2], delivery)
if awaited == 1 then
  note('skipped', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4])
end
acknowledge()
if awaited == 1 and flag('f') and redis.call('EXISTS', KEYS[2]) == 0 then
  for _, count in ipairs(redis.call('HMGET', KEYS[1], 'done', 'dead', 'unanswered', 'unjoined',
    'suppressed')) do
    if count and count ~= '0' then return {1, settle(), awaited, unpack(news)} end
  end -- a failure, and nobody did anything about it
  blame('unanswered', ARGV[4], ARGV[6] .. ' about ' .. ARGV[7] .. ': every handler declined it')
end
return {1, settle(), awaited, unpack(news)}

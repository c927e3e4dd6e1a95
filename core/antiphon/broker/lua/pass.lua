-- Pass over a delivery its handler does not want, after taking a foreign entry into the record.
-- include record
-- include settle
-- include announce
-- include adopt
-- KEYS[1..13] record and delivery
-- ARGV[1..11] record and delivery
-- Returns {1, verdict, 1 when the record waited for it and 0 when not}, {2, '', 0} when the
--   delivery is not ours.
if not ours() then return {2, '', 0} end
adopt()
local awaited = redis.call('SISMEMBER', KEYS[2], delivery)
if awaited == 1 then
  note('skipped', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4])
end
acknowledge()
return {1, settle(), awaited}

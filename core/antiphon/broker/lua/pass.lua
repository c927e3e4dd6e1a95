-- Pass over a delivery its handler does not want, after taking a foreign entry into the record.
-- include record
-- include settle
-- include announce
-- include adopt
-- KEYS[1..13] record and delivery
-- ARGV[1..11] record and delivery
-- Returns {1, verdict} when passed over, {2} when the delivery is not ours.
if not ours() then return {2} end
adopt()
if redis.call('SISMEMBER', KEYS[2], delivery) == 1 then
  note('skipped', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4])
end
acknowledge()
return {1, settle()}

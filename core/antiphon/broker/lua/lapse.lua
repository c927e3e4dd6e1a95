-- A timer has nothing to fire: what it was for is gone.
-- include clock, record, escalate, judge, account, settle, ring
-- KEYS[1..15] record
-- ARGV[1..2] record   ARGV[3..5] timer
-- Returns {1, verdict} when the recovery had waited for it, {0} when not.
if not fires() then return {0} end
fired()
return {1, settle()}

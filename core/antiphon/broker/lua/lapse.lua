-- A timer has nothing to fire: what it was for is gone.
-- include clock, record, escalate, judge, account, settle, ring
-- KEYS[1..15] record
-- ARGV[1..2] record   ARGV[3..5] timer
-- Returns {1, verdict} when the recovery had waited for it, {0} when not.
if not fires() then return {0} end
fired()
if string.match(ARGV[5], '^undo:') then
  redis.call('HINCRBY', KEYS[1], 'undos', -1)
  blame('notundone', ARGV[5], 'a step could not be undone: how to do it was lost')
end
return {1, settle()}

-- Put a delivery off until an instant; its entry stays pending.
-- include record
-- include fence
-- KEYS[1..12] record and lease
-- ARGV[1..11] record and lease   ARGV[12] 'retried' after a failure, 'released' by a stopping worker
-- ARGV[13] delay, ms             ARGV[14] error or ''
-- Returns {1, '', due ms}, {2} refused: the lease was lost, {3} settled before.
local may = standing()
if may ~= 1 then return {may} end
local due = now + ARGV[13]
conclude('waiting')
redis.call('PEXPIRE', KEYS[11], ARGV[13] + ARGV[11]) -- attempts are counted however long the wait
if ARGV[12] == 'retried' then
  redis.call('HINCRBY', KEYS[11], 'failures', 1)
else -- not an attempt, then, and no worker that died under it
  redis.call('HINCRBY', KEYS[11], 'attempts', -1)
end
redis.call('ZADD', KEYS[12], due, member)
tell(ARGV[12], 'error', ARGV[14], 'due', due)
return {1, '', due}

-- Put a delivery off until an instant; its entry stays pending.
-- include clock, record, circuit, fence, release
-- KEYS[1..21] record and lease   KEYS[22] held   hash
-- ARGV[1..14] record and lease
-- ARGV[16] 'retried' after a failure, 'released' by a stopping worker, 'held' by a guard
-- ARGV[17] delay, ms             ARGV[18] error or ''   ARGV[19] guard   ARGV[20] its name
-- ARGV[21] its limit   ARGV[22] the value it counted
-- Returns {1, '', breaker change, next in line, due ms}, {2} refused: the lease was lost, {3} settled before.
local may = standing()
if may ~= 1 then return {may} end
local due = now + ARGV[17]
conclude('waiting')
redis.call('PEXPIRE', KEYS[17], ARGV[17] + ARGV[11]) -- attempts are counted however long the wait
if ARGV[16] == 'retried' then
  redis.call('HINCRBY', KEYS[17], 'failures', 1)
else -- not an attempt, then, and no worker that died under it
  redis.call('HINCRBY', KEYS[17], 'attempts', -1)
end
redis.call('ZADD', KEYS[18], due, member)
local changed, next_one = release()
if ARGV[16] == 'held' then
  redis.call('HSET', KEYS[22], member .. '|' .. ARGV[3], ARGV[19] .. '|' .. ARGV[20] .. '|' .. now)
  tell('held', 'guard', ARGV[19], 'name', ARGV[20], 'limit', ARGV[21], 'value', ARGV[22],
    'error', ARGV[18], 'due', due)
else
  tell(ARGV[16], 'error', ARGV[18], 'due', due)
end
return {1, '', changed, next_one, due}

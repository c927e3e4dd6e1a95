-- Put a delivery off until an instant; its entry stays pending.
-- include clock, record, circuit, fence, release
-- KEYS[1..17] record and lease   KEYS[18] held   hash
-- ARGV[1..14] record and lease
-- ARGV[15] 'retried' after a failure, 'released' by a stopping worker, 'held' by a guard
-- ARGV[16] delay, ms             ARGV[17] error or ''   ARGV[18] guard   ARGV[19] its name
-- ARGV[20] its limit   ARGV[21] the value it counted
-- Returns {1, '', breaker change, next in line, due ms}, {2} refused: the lease was lost, {3} settled before.
local may = standing()
if may ~= 1 then return {may} end
local due = now + ARGV[16]
conclude('waiting')
redis.call('PEXPIRE', KEYS[13], ARGV[16] + ARGV[11]) -- attempts are counted however long the wait
if ARGV[15] == 'retried' then
  redis.call('HINCRBY', KEYS[13], 'failures', 1)
else -- not an attempt, then, and no worker that died under it
  redis.call('HINCRBY', KEYS[13], 'attempts', -1)
end
redis.call('ZADD', KEYS[14], due, member)
local changed, next_one = release()
if ARGV[15] == 'held' then
  redis.call('HSET', KEYS[18], member .. '|' .. ARGV[3], ARGV[18] .. '|' .. ARGV[19] .. '|' .. now)
  tell('held', 'guard', ARGV[18], 'name', ARGV[19], 'limit', ARGV[20], 'value', ARGV[21],
    'error', ARGV[17], 'due', due)
else
  tell(ARGV[15], 'error', ARGV[17], 'due', due)
end
return {1, '', changed, next_one, due}

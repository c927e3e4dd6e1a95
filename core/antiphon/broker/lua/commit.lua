-- Commit a finished delivery: publish its events, acknowledge, keep the result. All or nothing.
-- include clock, record, escalate, judge, account, settle, announce, circuit, fence, outgoing
-- include consequences, release
-- KEYS[1..21] record and lease   KEYS[22...] of the events: outgoing.lua; and last, when it undoes
--   a step, the idempotency key of that step
-- ARGV[1..15] record and lease   ARGV[16] how to undo it, as JSON, or ''
-- ARGV[17...] the events: outgoing.lua
-- Returns {1, verdict, breaker change, next in line, entry id or '', ...},
--   {2} refused: the lease was lost, {3} committed before.
local may = standing()
if may ~= 1 then return {may} end
local events, refused = written(22, 17)
if not events then return refused end
conclude('done')
local changed, next_one = release()
local reply = {1, '', changed, next_one}
if ARGV[15] == 'u' then
  tell('completed', 'undo', 1)
  if acknowledge() then
    redis.call('HINCRBY', KEYS[1], 'undone', 1)
    redis.call('DEL', KEYS[#KEYS]) -- what was taken back may be done again
    if redis.call('HSET', KEYS[1], '-' .. ARGV[3], now) == 1 then
      redis.call('HINCRBY', KEYS[1], 'taken', 1)
    end
    if redis.call('HINCRBY', KEYS[1], '+' .. ARGV[3], -1) < 1 then
      redis.call('HDEL', KEYS[1], '+' .. ARGV[3])
    end
    if redis.call('HDEL', KEYS[1], '!undo:' .. ARGV[3] .. ':' .. ARGV[6]) == 1 then
      redis.call('HINCRBY', KEYS[1], 'notundone', -1)
    end
  end
else
  tell('completed')
  if acknowledge() then
    redis.call('HINCRBY', KEYS[1], 'done', 1)
    redis.call('HINCRBY', KEYS[1], '+' .. ARGV[3], 1)
    if ARGV[16] ~= '' then
      if redis.call('HDEL', KEYS[1], '-' .. ARGV[3]) == 1 then
        redis.call('HINCRBY', KEYS[1], 'taken', -1)
      end
      redis.call('HSET', KEYS[15], 'undo:' .. redis.call('HINCRBY', KEYS[1], 'undos', 1), ARGV[16])
    end
  end
end
consequences(events, reply)
reply[2] = settle()
return reply

-- Settle the guards of a delivery that ran. Included after fence.lua.
-- KEYS[15] breaker hash   KEYS[16] exclusive hash   KEYS[17] its queue zset; unused without such
--   a guard
-- ARGV[12] how it ended for the breaker: success, failure, cancelled, or '' without one
-- ARGV[13] the breaker's fail_max, reset_timeout ms, success_threshold   ARGV[14] '1' when exclusive

-- Returns 'before>after' when a breaker changed, or ''; and who may have the resource next, or ''.
local function release()
  local changed, next_one, delivery = '', '', member .. '|' .. ARGV[3]
  if ARGV[12] ~= '' then
    changed = leave(15, delivery, ARGV[12], string.match(ARGV[13], '(%S+) (%S+) (%S+)'))
  end
  if ARGV[14] == '1' and redis.call('HGET', KEYS[16], 'holder') == delivery then
    redis.call('HSET', KEYS[16], 'freed', now) -- first: an empty hash would lose its expiry
    redis.call('HDEL', KEYS[16], 'holder', 'owner', 'token', 'until')
    next_one = redis.call('ZRANGE', KEYS[17], 0, 0)[1] or ''
  end
  return changed, next_one
end

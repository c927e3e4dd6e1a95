-- Settle the guards of a delivery that ran. Included after fence.lua.
-- KEYS[19] breaker hash   KEYS[20] exclusive hash   KEYS[21] its queue zset; unused without such
--   a guard
-- ARGV[12] how it ended for the breaker: success, failure, cancelled, or '' without one
-- ARGV[13] the breaker's fail_max, reset_timeout ms, success_threshold   ARGV[14] '1' when exclusive

-- Returns 'before>after' when a breaker changed, or ''; and who may have the resource next, or ''.
local function release()
  local changed, next_one, delivery = '', '', member .. '|' .. ARGV[3]
  if ARGV[12] ~= '' then
    changed = leave(19, delivery, ARGV[12], string.match(ARGV[13], '(%S+) (%S+) (%S+)'))
  end
  if ARGV[14] == '1' and redis.call('HGET', KEYS[20], 'holder') == delivery then
    redis.call('HSET', KEYS[20], 'freed', now) -- first: an empty hash would lose its expiry
    redis.call('HDEL', KEYS[20], 'holder', 'owner', 'token', 'until')
    next_one = redis.call('ZRANGE', KEYS[21], 0, 0)[1] or ''
  end
  return changed, next_one
end

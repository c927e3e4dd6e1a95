-- A timer of the recovery is due. Included after settle.lua.
-- ARGV[3] the timer   ARGV[4] what is outstanding while it runs, or ''   ARGV[5] its field in the
--   plan, or ''

-- Whether it is this call that fires it: once for all workers, and not before its time.
local function fires()
  local due = redis.call('ZSCORE', KEYS[13], ARGV[3])
  if not due or tonumber(due) > now then return false end
  redis.call('ZREM', KEYS[13], ARGV[3])
  if ARGV[5] ~= '' then redis.call('HDEL', KEYS[15], ARGV[5]) end
  return ARGV[4] == '' or redis.call('SREM', KEYS[2], ARGV[4]) == 1
end

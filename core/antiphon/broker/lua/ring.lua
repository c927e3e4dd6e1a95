-- A timer of the recovery is due. Included after settle.lua.
-- ARGV[3] the timer   ARGV[4] what is outstanding while it runs, or ''   ARGV[5] its field in the
--   plan, or ''

-- It was fired, or nobody waits for it: it is not outstanding any more.
local function fired()
  redis.call('ZREM', KEYS[13], ARGV[3])
  if ARGV[5] ~= '' then redis.call('HDEL', KEYS[15], ARGV[5]) end
  if ARGV[4] ~= '' then redis.call('SREM', KEYS[2], ARGV[4]) end
end

-- Whether it is this call that fires it: once for all workers, and not before its time. It then
-- writes its entry first, which fails when the stream takes none, and calls `fired` after that.
local function fires()
  local due = redis.call('ZSCORE', KEYS[13], ARGV[3])
  if not due or tonumber(due) > now then return false end
  if ARGV[4] == '' or redis.call('SISMEMBER', KEYS[2], ARGV[4]) == 1 then return true end
  fired()
  return false
end

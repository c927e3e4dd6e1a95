-- Pause a part of the cell, unless it is paused already.
-- include clock
-- KEYS[1] pauses   hash, scope -> {by, since, reason}   KEYS[2] audit   stream
-- ARGV[1] scope: *, service:NAME or subject:NAME   ARGV[2] by whom   ARGV[3] why
-- Returns {1, the pause} when paused now, {0, the pause} when somebody had before.
local paused = redis.call('HGET', KEYS[1], ARGV[1])
if paused then return {0, paused} end
paused = cjson.encode({by = ARGV[2], since = now, reason = ARGV[3]})
-- The first write: when the audit takes no entry, nothing is paused.
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'action', 'pause', 'what', ARGV[1],
  'by', ARGV[2], 'reason', ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], paused)
return {1, paused}

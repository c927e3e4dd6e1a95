-- End a pause, and forget what made a guard pause.
-- KEYS[1] pauses   hash, scope -> {by, since, reason}   KEYS[2] audit   stream
-- KEYS[3] index of guard state   zset   KEYS[4...] counts to forget, such as a relapse log
-- ARGV[1] scope    ARGV[2] by whom   ARGV[3] why   ARGV[4...] members of the index to forget
-- Returns the pause that was ended, false when there was none.
local paused = redis.call('HGET', KEYS[1], ARGV[1])
if not paused then return false end
-- The first write: when the audit takes no entry, nothing is resumed.
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'action', 'resume', 'what', ARGV[1],
  'by', ARGV[2], 'reason', ARGV[3])
redis.call('HDEL', KEYS[1], ARGV[1])
for i = 4, #KEYS do redis.call('DEL', KEYS[i]) end
for i = 4, #ARGV do redis.call('ZREM', KEYS[3], ARGV[i]) end
return paused

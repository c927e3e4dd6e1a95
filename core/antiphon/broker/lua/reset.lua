-- Make a guard forget what it knows, and keep who did it. Repeating it changes nothing.
-- KEYS[1] index of guard state   zset   KEYS[2] audit   stream
-- KEYS[3] the guard's state   KEYS[4] its queue
-- ARGV[1] kind|name   ARGV[2] by whom   ARGV[3] why   ARGV[4...] its members of the index
-- Returns 1 when there was something to forget, else 0.
local known = redis.call('EXISTS', KEYS[3], KEYS[4]) > 0
for i = 4, #ARGV do known = redis.call('ZSCORE', KEYS[1], ARGV[i]) or known end
if not known then return 0 end
-- The first write: when the audit takes no entry, nothing is done.
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'action', 'reset', 'what', ARGV[1],
  'by', ARGV[2], 'reason', ARGV[3])
redis.call('DEL', KEYS[3], KEYS[4])
for i = 4, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
return 1

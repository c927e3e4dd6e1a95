-- Note that a person knows of an escalation: nobody further up is told.
-- include clock, record
-- KEYS[1..15] record   KEYS[16] audit   stream
-- ARGV[1..2] record    ARGV[3] who   ARGV[4] what they say about it, or ''
-- Returns {1, who, when ms} acknowledged now, {2} no such recovery, {3} nobody was told of it,
--   {4, who, when ms} somebody had acknowledged it before.
if redis.call('EXISTS', KEYS[1]) == 0 then return {2} end
local escalated, acked, by = unpack(redis.call('HMGET', KEYS[1], 'escalated', 'acked', 'acked_by'))
if not escalated then return {3} end
if acked then return {4, by, tonumber(acked)} end
redis.call('HSET', KEYS[1], 'acked', now, 'acked_by', ARGV[3])
redis.call('ZREM', KEYS[14], ARGV[1])
note('acknowledged', 'by', ARGV[3], 'why', ARGV[4])
redis.call('XADD', KEYS[16], 'MAXLEN', '~', 10000, '*', 'action', 'acknowledge', 'what', ARGV[1],
  'by', ARGV[3], 'reason', ARGV[4])
return {1, ARGV[3], now}

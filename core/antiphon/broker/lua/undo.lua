-- Have one completed step undone: deliver it to the inbox of its handler.
-- include clock, record, escalate, judge, account, settle, ring
-- KEYS[1..15] record   KEYS[16] inbox of the group   stream   KEYS[17] due zset of the group
-- KEYS[18] groups   hash
-- ARGV[1..2] record    ARGV[3..5] timer   ARGV[6] group   ARGV[7] event id of this delivery
-- ARGV[8] the event the step had reacted to   ARGV[9] type   ARGV[10] subject
-- ARGV[11] its number, from 1   ARGV[12...] fields and values
-- Returns {1, verdict, entry id in the inbox} delivered, {1, verdict, ''} when its handler is gone,
--   {0} not due any more.
if not fires() then return {0} end
local entry = ''
if redis.call('HGET', KEYS[1], 'undos') ~= ARGV[11] then -- a step was completed after it was set
  redis.call('ZREM', KEYS[13], ARGV[3])
  redis.call('SREM', KEYS[2], ARGV[4])
  return {1, settle(), ''}
end
if redis.call('HEXISTS', KEYS[18], ARGV[6]) == 1 then
  entry = redis.call('XADD', KEYS[16], '*', 'recorded', '1', unpack(ARGV, 12))
  local read = redis.pcall('XREADGROUP', 'GROUP', ARGV[6], 'undo', 'STREAMS', KEYS[16], '>')
  if read.err then -- nothing else is written yet: the group is being made again
    redis.call('XDEL', KEYS[16], entry)
    return read
  end
end
fired()
redis.call('HINCRBY', KEYS[1], 'undos', -1)
if entry == '' then
  blame('notundone', 'undo:' .. ARGV[6] .. ':' .. ARGV[7], ARGV[6]
    .. ': could not be undone: its handler is gone')
  return {1, settle(), ''}
end
redis.call('ZADD', KEYS[17], now, 'inbox|' .. entry)
redis.call('SADD', KEYS[2], 'inbox|' .. entry .. '|' .. ARGV[6])
redis.call('HINCRBY', KEYS[1], 'deliveries', 1)
note('undo', 'group', ARGV[6], 'event', ARGV[7], 'of', ARGV[8], 'entry', entry, 'type', ARGV[9],
  'subject', ARGV[10])
return {1, '', entry}

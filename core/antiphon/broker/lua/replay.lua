-- Deliver a dead letter again, to the group it died in and to no other.
-- Its copy in the inbox is pending at once and due now: workers take it up as they do a retry.
-- include clock, record
-- KEYS[1..15] record   KEYS[16] dead letters   stream   KEYS[17] inbox of the group   stream
-- KEYS[18] groups     hash, group -> description   KEYS[19] due zset of the group
-- KEYS[20] audit   stream
-- ARGV[1..2] record   ARGV[3] dead letter id  ARGV[4] group   ARGV[5] type   ARGV[6] subject
-- ARGV[7] event id    ARGV[8] who, or '' when nobody is to be named   ARGV[9] why
-- ARGV[10...] attributes the entry left out, or that could not be read, as the record has them:
--   name and value
-- Returns {1, entry id in the inbox}, {2} when there is no such dead letter,
--   {3} when the group is not registered.
local letter = redis.call('XRANGE', KEYS[16], ARGV[3], ARGV[3])[1]
if not letter then return {2} end
if redis.call('HEXISTS', KEYS[18], ARGV[4]) == 0 then return {3} end
local fields, given, label, undoes = {unpack(ARGV, 10)}, {}
for i = 1, #fields, 2 do given[fields[i]] = true end
for i = 1, #letter[2], 2 do
  if letter[2][i] == 'deadlabel' then label = letter[2][i + 1] end
end
for i = 1, #letter[2], 2 do
  local name = letter[2][i]
  local ours = name == 'undo' and label == 'inbox' -- elsewhere anybody may have written it
  undoes = undoes or ours
  if string.sub(name, 1, 4) ~= 'dead' and name ~= 'recorded' and not given[name]
    and (name ~= 'undo' or ours) then
    fields[#fields + 1], fields[#fields + 2] = name, letter[2][i + 1]
  end
end
local audited = ARGV[8] ~= '' and redis.call('XADD', KEYS[20], 'MAXLEN', '~', 10000, '*',
  'action', 'replay', 'what', ARGV[3], 'by', ARGV[8], 'reason', ARGV[9])
local entry = redis.call('XADD', KEYS[17], '*', 'recorded', '1', unpack(fields))
local read = redis.pcall('XREADGROUP', 'GROUP', ARGV[4], 'replay', 'STREAMS', KEYS[17], '>')
if read.err then -- nothing else is written yet
  redis.call('XDEL', KEYS[17], entry)
  if audited then redis.call('XDEL', KEYS[20], audited) end
  return read
end
redis.call('ZADD', KEYS[19], now, 'inbox|' .. entry)
redis.call('XDEL', KEYS[16], ARGV[3])
open({type = ARGV[5], subject = ARGV[6], event = ARGV[7]})
if not undoes then -- a person wants it to go on, and what it did to last
  local last = 'undo|' .. (redis.call('HGET', KEYS[1], 'undos') or '') .. '|'
  if redis.call('SREM', KEYS[2], last) == 1 then
    redis.call('ZREM', KEYS[13], timer('undo', string.sub(last, 6, -2)))
  end
  redis.call('HDEL', KEYS[1], 'halted', 'cancelled', 'undoing')
end
redis.call('SADD', KEYS[2], 'inbox|' .. entry .. '|' .. ARGV[4])
redis.call('HINCRBY', KEYS[1], 'deliveries', 1)
if redis.call('HDEL', KEYS[1], '!' .. ARGV[4] .. ':' .. ARGV[7]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'dead', -1)
end
note('replayed', 'group', ARGV[4], 'event', ARGV[7], 'entry', entry, 'dead', ARGV[3], 'by', ARGV[8],
  'reason', ARGV[9])
return {1, entry}

-- Deliver a dead letter again, to the group it died in and to no other.
-- include record
-- KEYS[1..9] record   KEYS[10] dead letters   stream   KEYS[11] inbox of the group   stream
-- ARGV[1..2] record   ARGV[3] dead letter id  ARGV[4] group   ARGV[5] type   ARGV[6] subject
-- ARGV[7] event id
-- Returns the entry id in the inbox, or '' when there is no such dead letter.
local letter = redis.call('XRANGE', KEYS[10], ARGV[3], ARGV[3])[1]
if not letter then return '' end
local fields = {}
for i = 1, #letter[2], 2 do
  local name = letter[2][i]
  if string.sub(name, 1, 4) ~= 'dead' and name ~= 'recorded' then
    fields[#fields + 1], fields[#fields + 2] = name, letter[2][i + 1]
  end
end
local entry = redis.call('XADD', KEYS[11], '*', 'recorded', '1', unpack(fields))
redis.call('XDEL', KEYS[10], ARGV[3])
open(ARGV[5], ARGV[6], ARGV[7], now)
redis.call('SADD', KEYS[2], 'inbox|' .. entry .. '|' .. ARGV[4])
if redis.call('HDEL', KEYS[1], '!' .. ARGV[4] .. ':' .. ARGV[7]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'dead', -1)
end
note('replayed', 'group', ARGV[4], 'event', ARGV[7], 'entry', entry, 'dead', ARGV[3])
return entry

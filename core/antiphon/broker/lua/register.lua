-- Make a group known: read its streams from the oldest open recovery, count it as subscriber.
-- KEYS[1] open index   zset   KEYS[2] groups   hash, group -> description
-- KEYS[3...] first the streams the group reads, then the subscriber sets it joins,
--   then the sets it leaves
-- ARGV[1] group   ARGV[2] description   ARGV[3] how many streams   ARGV[4] how many sets to join
-- ARGV[5] '1' to recreate a lost group from the beginning
-- Returns how many groups were created.
local streams, joins, created = tonumber(ARGV[3]), tonumber(ARGV[4]), 0
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
for i = 3, 2 + streams do
  local info = redis.pcall('XINFO', 'GROUPS', KEYS[i])
  local start = oldest and string.format('%d-0', oldest - 1) or '$'
  if ARGV[5] == '1' or info.err or #info == 0 then start = '0' end
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], start, 'MKSTREAM')
  if made.ok then
    created = created + 1
  elseif not string.find(made.err, 'BUSYGROUP', 1, true) then
    return made
  end
end
for i = 3 + streams, 2 + streams + joins do redis.call('SADD', KEYS[i], ARGV[1]) end
for i = 3 + streams + joins, #KEYS do redis.call('SREM', KEYS[i], ARGV[1]) end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return created

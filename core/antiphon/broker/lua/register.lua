-- Make a group known and count it as subscriber. It begins at the oldest open recovery, and not
-- after what another group has yet to read or settle: when that is first seen, it may open one.
-- KEYS[1] open index   zset   KEYS[2] groups   hash, group -> description
-- KEYS[3...] first the streams the group reads, then the subscriber sets it joins,
--   then the sets it leaves
-- ARGV[1] group   ARGV[2] description   ARGV[3] how many streams   ARGV[4] how many sets to join
-- ARGV[5] '1' to recreate a lost group from the beginning
-- Returns how many groups were created.
local streams, joins, created = tonumber(ARGV[3]), tonumber(ARGV[4]), 0
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local function before(ms) return string.format('%d-0', math.max(0, math.min(ms, 2 ^ 53) - 1)) end
local function earlier(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams == bms then return tonumber(aseq) < tonumber(bseq) and a or b end
  return tonumber(ams) < tonumber(bms) and a or b
end
for i = 3, 2 + streams do
  local info, start = redis.pcall('XINFO', 'GROUPS', KEYS[i]), oldest and before(oldest)
  for _, group in ipairs(info) do
    local g = {}
    for j = 1, #group, 2 do g[group[j]] = group[j + 1] end
    start = earlier(start or g['last-delivered-id'], g['last-delivered-id'])
    local pending = redis.call('XPENDING', KEYS[i], g.name)[2]
    if pending then start = earlier(start, before(string.match(pending, '^%d+'))) end
  end
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

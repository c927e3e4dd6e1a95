-- Trim a stream below everything that may still be read: no pending or unread entry of any group,
-- none younger than the oldest open recovery, none younger than the time to keep.
-- include clock
-- KEYS[1] stream   KEYS[2] open index   zset
-- ARGV[1] how long to keep an entry, ms
-- Returns how many entries were removed.
local floor = now - ARGV[1]
local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if oldest then floor = math.min(floor, tonumber(oldest) - 1) end
local function lower(id) floor = math.min(floor, tonumber(string.match(id, '^%d+'))) end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local g = {}
  for i = 1, #group, 2 do g[group[i]] = group[i + 1] end
  lower(g['last-delivered-id'])
  local pending = redis.call('XPENDING', KEYS[1], g.name)
  if pending[2] then lower(pending[2]) end
end
if floor <= 0 then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%d', floor))

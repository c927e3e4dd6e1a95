-- Count the newest dead letters by group, unless there are the same as when somebody counted last.
-- KEYS[1] dead letters   stream
-- ARGV[1] their state, when they were counted last, or ''   ARGV[2] how many are looked at, at most
-- ARGV[3] how many bytes of them, at most
-- Returns {state} when nothing has changed; else {state, how many there are, group, count, ...}.
if redis.call('EXISTS', KEYS[1]) == 0 then return {'0 0 0', 0} end
local about = {}
local flat = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #flat, 2 do about[flat[i]] = flat[i + 1] end
local state = about['length'] .. ' ' .. about['last-generated-id'] .. ' ' .. about['entries-added']
if state == ARGV[1] then return {state} end
local counts, reply, seen, bytes, last = {}, {state, about['length']}, 0, 0, '+'
while seen < tonumber(ARGV[2]) and bytes < tonumber(ARGV[3]) do
  local page = redis.call('XREVRANGE', KEYS[1], last, '-', 'COUNT', 10)
  if #page == 0 then break end
  for _, letter in ipairs(page) do
    local fields, group = letter[2], '?'
    for i = 1, #fields, 2 do
      if fields[i] == 'deadgroup' then group = fields[i + 1] end -- the last counts, as ever
      bytes = bytes + #fields[i + 1]
    end
    counts[group], seen = (counts[group] or 0) + 1, seen + 1
  end
  last = '(' .. page[#page][1]
end
for group, count in pairs(counts) do
  reply[#reply + 1] = group
  reply[#reply + 1] = count
end
return reply

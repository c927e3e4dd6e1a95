-- Commit a finished delivery: publish its events, acknowledge, keep the result. All or nothing.
-- include clock, record, settle, announce, circuit, fence, release
-- KEYS[1..17] record and lease
-- KEYS[18...] three for each event: its stream, subscribers of any subject, subscribers about it
-- ARGV[1..14] record and lease
-- ARGV[15...] for each event: how many values follow the five; type, subject, id, '1' when it is a
--   failure; then fields and values
-- Returns {1, verdict, breaker change, next in line, entry id, ...},
--   {2} refused: the lease was lost, {3} committed before.
local may = standing()
if may ~= 1 then return {may} end
local events, at, key = {}, 15, 18
while at <= #ARGV do
  local last = at + 4 + ARGV[at]
  local entry = redis.pcall('XADD', KEYS[key], '*', 'recorded', '1', unpack(ARGV, at + 5, last))
  if type(entry) == 'table' then -- nothing else is written yet: take back what was
    for _, e in ipairs(events) do redis.call('XDEL', KEYS[e.key], e.entry) end
    return entry
  end
  events[#events + 1] = {key = key, entry = entry, type = ARGV[at + 1], subject = ARGV[at + 2],
    event = ARGV[at + 3], failure = ARGV[at + 4], cause = ARGV[6], by = ARGV[3]}
  at, key = last + 1, key + 3
end
conclude('done')
local changed, next_one = release()
local reply = {1, '', changed, next_one}
tell('completed')
if acknowledge() then redis.call('HINCRBY', KEYS[1], 'done', 1) end
for _, e in ipairs(events) do
  announce('published', e, subscribers(e.key + 1, e.key + 2))
  reply[#reply + 1] = e.entry
end
reply[2] = settle()
return reply

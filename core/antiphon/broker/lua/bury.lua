-- Dead-letter a delivery with its original fields, and acknowledge it.
-- include clock, record, escalate, judge, account, settle, announce, circuit, fence, outgoing
-- include consequences, release
-- KEYS[1..21] record and lease   KEYS[22] dead letters   stream   KEYS[23...] of the events it brings
-- ARGV[1..15] record and lease   ARGV[16] error   ARGV[17] correlation subject for the dead letter
-- ARGV[18] '1' when an event answers for it, so that its death is a branch and no loss
-- ARGV[19...] the events: outgoing.lua
-- Returns {1, verdict, breaker change, next in line, dead letter id, entry id or '', ...},
--   {2} refused: the lease was lost, {3} settled before.
local may = standing()
if may ~= 1 then return {may} end
local entry = redis.call('XRANGE', KEYS[16], ARGV[4], ARGV[4])[1]
local fields, kept = entry and entry[2] or {}, 6000 -- Lua unpacks fewer than 8,000 values
local omitted = math.max(0, #fields - kept)
local letter = {unpack(fields, 1, math.min(#fields, kept))}
-- Ours come last: of two fields of one name the last counts, so no entry passes for another letter.
for _, value in ipairs({'deadgroup', ARGV[3], 'deadlabel', ARGV[7], 'deadentry', ARGV[4],
  'deadevent', ARGV[6], 'deadcorrelation', ARGV[1], 'deadattempts', ARGV[9], 'deaderror', ARGV[16],
  'deadsubject', ARGV[17], 'deadomitted', omitted}) do
  letter[#letter + 1] = value
end
local dead = redis.call('XADD', KEYS[22], '*', unpack(letter))
local events, refused = written(23, 19)
if not events then -- nothing else is written yet
  redis.call('XDEL', KEYS[22], dead)
  return refused
end
conclude('dead')
local about, answer = ARGV[3] .. ':' .. ARGV[6], ARGV[18] == '1' and events[1]
local answered = answer and (answer.failure == '1' or #answer.groups > 0)
if acknowledge() and not answered then
  if ARGV[15] == 'u' then
    blame('notundone', 'undo:' .. about, ARGV[3] .. ': could not be undone: ' .. ARGV[16])
  else
    blame('dead', about, ARGV[3] .. ': died after ' .. ARGV[9] .. ' attempts')
  end
end
local changed, next_one = release()
tell('died', 'error', ARGV[16], 'dead', dead)
local reply = {1, '', changed, next_one, dead}
consequences(events, reply)
reply[2] = settle()
return reply

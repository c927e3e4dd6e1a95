-- Dead-letter a delivery with its original fields, and acknowledge it.
-- include clock, record, settle, circuit, fence, release
-- KEYS[1..17] record and lease   KEYS[18] dead letters   stream
-- ARGV[1..14] record and lease   ARGV[15] error   ARGV[16] correlation subject for the dead letter
-- Returns {1, verdict, breaker change, next in line, dead letter id},
--   {2} refused: the lease was lost, {3} settled before.
local may = standing()
if may ~= 1 then return {may} end
local entry = redis.call('XRANGE', KEYS[12], ARGV[4], ARGV[4])[1]
local fields, kept = entry and entry[2] or {}, 6000 -- Lua unpacks fewer than 8,000 values
local omitted = math.max(0, #fields - kept)
local letter = {unpack(fields, 1, math.min(#fields, kept))}
-- Ours come last: of two fields of one name the last counts, so no entry passes for another letter.
for _, value in ipairs({'deadgroup', ARGV[3], 'deadlabel', ARGV[7], 'deadentry', ARGV[4],
  'deadevent', ARGV[6], 'deadcorrelation', ARGV[1], 'deadattempts', ARGV[9], 'deaderror', ARGV[15],
  'deadsubject', ARGV[16], 'deadomitted', omitted}) do
  letter[#letter + 1] = value
end
local dead = redis.call('XADD', KEYS[18], '*', unpack(letter))
conclude('dead')
if acknowledge() then
  blame('dead', ARGV[3] .. ':' .. ARGV[6], ARGV[3] .. ': died after ' .. ARGV[9] .. ' attempts')
end
local changed, next_one = release()
tell('died', 'error', ARGV[15], 'dead', dead)
return {1, settle(), changed, next_one, dead}

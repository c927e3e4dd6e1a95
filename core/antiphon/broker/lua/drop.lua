-- Throw dead letters of one recovery away; its ledger and the audit keep who did it, and why.
-- Repeating it changes nothing. A recovery that is not on record any more gets no record.
-- include clock, record
-- KEYS[1..15] record   KEYS[16] dead letters   stream   KEYS[17] audit   stream
-- ARGV[1..2] record    ARGV[3] by whom, empty: nobody for the audit to keep   ARGV[4] why
-- ARGV[5...] ids of letters
-- Returns the ids of those that were still there.
local letters, there = {}, {}
for i = 5, #ARGV do
  local letter = redis.call('XRANGE', KEYS[16], ARGV[i], ARGV[i])[1]
  if letter then letters[#letters + 1], there[#there + 1] = letter[2], letter[1] end
end
if #there == 0 then return there end
if ARGV[3] ~= '' then
  -- The first write: when the audit takes no entry, nothing is done.
  redis.call('XADD', KEYS[17], 'MAXLEN', '~', 10000, '*', 'action', 'drop',
    'what', table.concat(there, ' '), 'by', ARGV[3], 'reason', ARGV[4])
end
local recorded = redis.call('EXISTS', KEYS[3]) == 1
for i, id in ipairs(there) do
  redis.call('XDEL', KEYS[16], id)
  if recorded then
    local of = {}
    for j = 1, #letters[i], 2 do of[letters[i][j]] = letters[i][j + 1] end
    note('discarded', 'group', of.deadgroup or '', 'event', of.deadevent or '', 'dead', id,
      'by', ARGV[3], 'reason', ARGV[4])
  end
end
return there

-- Throw dead letters away, and keep who did it. Repeating it changes nothing.
-- KEYS[1] dead   stream   KEYS[2] audit   stream
-- ARGV[1] by whom, empty: nobody to keep   ARGV[2] why   ARGV[3...] ids of letters
-- Returns how many were still there.
local there = {}
for i = 3, #ARGV do
  if #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 1 then there[#there + 1] = ARGV[i] end
end
if #there == 0 then return 0 end
if ARGV[1] ~= '' then
  -- The first write: when the audit takes no entry, nothing is done.
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'action', 'drop',
    'what', table.concat(there, ' '), 'by', ARGV[1], 'reason', ARGV[2])
end
for _, id in ipairs(there) do redis.call('XDEL', KEYS[1], id) end
return #there

-- Which groups have deliveries nobody has touched for a while?
-- KEYS[1...] streams, one for each group that reads it
-- ARGV[1] least idle time, ms   ARGV[2...] the group of each stream
-- Returns the 1-based positions of those that have, or whose group is lost.
local stale = {}
for i = 2, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[i - 1], ARGV[i], 'IDLE', ARGV[1], '-', '+', 1)
  if pending.err or pending[1] then stale[#stale + 1] = i - 1 end
end
return stale

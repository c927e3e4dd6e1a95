-- Give back a delivery that was read and never admitted: it is due at once, to whoever looks.
-- include clock
-- KEYS[1] stream   KEYS[2] due zset of the group
-- ARGV[1] group    ARGV[2] consumer   ARGV[3] entry id   ARGV[4] label of the stream
-- Returns 1 when given back, 0 when this consumer does not hold it.
local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if not p[1] or p[1][2] ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[2], now, ARGV[4] .. '|' .. ARGV[3])
return 1

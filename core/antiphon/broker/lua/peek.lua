-- Which groups have deliveries whose instant has come?
-- include clock
-- KEYS[1...] due zsets, one for each group
-- Returns the 1-based positions of those that have.
-- Most often nothing is due anywhere, and one look at them all tells.
if #KEYS == 0 or redis.call('EXISTS', KEYS[1], unpack(KEYS, 2)) == 0 then return {} end
local ready = {}
for i, key in ipairs(KEYS) do
  if redis.call('ZCOUNT', key, '-inf', now) > 0 then ready[#ready + 1] = i end
end
return ready

-- Remove a consumer that is gone, unless deliveries are still pending with it.
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] how long it must have been silent, ms
-- Returns 1 when removed, 0 when it is alive or holds deliveries.
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local c = {}
  for i = 1, #consumer, 2 do c[consumer[i]] = consumer[i + 1] end
  if c.name == ARGV[2] and c.pending == 0 and c.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0

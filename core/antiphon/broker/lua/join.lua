-- One branch of a durable join arrives. Included after adopt.lua.
-- KEYS[16] join hash   ARGV[14] branches needed   ARGV[15] branch   ARGV[16] the event
-- Returns nil when the join is complete, or the reply of a delivery that waits for the others.
local function arrive(need)
  redis.call('HSET', KEYS[16], ARGV[15], ARGV[16])
  redis.call('PEXPIRE', KEYS[16], ARGV[2])
  local have, reason = redis.call('HLEN', KEYS[16]), 'join:' .. ARGV[3]
  if redis.call('HDEL', KEYS[1], '!' .. reason) == 1 then
    redis.call('HINCRBY', KEYS[1], 'unjoined', -1)
  end
  if have >= need then return nil end
  blame('unjoined', reason, ARGV[3] .. ': ' .. have .. ' of ' .. need .. ' branches arrived')
  acknowledge()
  note('joined', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4],
    'have', have, 'need', need)
  return {6, have, need, settle()}
end

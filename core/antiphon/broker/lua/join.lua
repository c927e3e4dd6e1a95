-- One branch of a durable join arrives. Included after adopt.lua.
-- KEYS[25] join hash   ARGV[17] branch   ARGV[18] the event

-- Whether this branch is the last of those needed; writes nothing.
local function completes(need)
  return redis.call('HLEN', KEYS[25]) + 1 - redis.call('HEXISTS', KEYS[25], ARGV[17]) >= need
end

-- Keep the branch. Returns nil when the join is complete, or the reply of a delivery that waits
-- for the others.
local function arrive(need)
  redis.call('HSET', KEYS[25], ARGV[17], ARGV[18])
  redis.call('PEXPIRE', KEYS[25], ARGV[2])
  local have, reason = redis.call('HLEN', KEYS[25]), 'join:' .. ARGV[3]
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

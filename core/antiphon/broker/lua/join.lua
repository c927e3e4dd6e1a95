-- One branch of a durable join arrives. Included after idempotency.lua.
-- KEYS[28] join hash   ARGV[18] how many it needs   ARGV[19] branch   ARGV[20] the event
-- ARGV[21] how long it waits ms or 0, how many branches it has, what becomes of losers; a blank
--   between   ARGV[22] its branches as JSON: name -> type and subjects, or '' for many until they
--   are asked for   ARGV[23] hops of the event
local owed = 'join|' .. ARGV[3] .. '|' .. ARGV[3]

-- The join has all it needs.
local function disarm()
  if redis.call('SREM', KEYS[2], owed) == 0 then return end
  redis.call('HDEL', KEYS[15], 'join:' .. ARGV[3])
  redis.call('ZREM', KEYS[13], timer('join', ARGV[3]))
end

-- Returns when the join will time out, or '' when it will not.
local function arm(have)
  local within = tonumber(string.match(ARGV[21], '^%d+'))
  if within == 0 or have > 1 or stopped() then return '' end -- then it would not run any more
  if redis.call('SADD', KEYS[2], owed) == 0 then return '' end
  redis.call('HSET', KEYS[15], 'join:' .. ARGV[3],
    cjson.encode({cause = ARGV[8], hops = ARGV[23], need = ARGV[18], branches = ARGV[22]}))
  redis.call('ZADD', KEYS[13], now + within, timer('join', ARGV[3]))
  return now + within
end

-- Keep the branch. Returns nil when the join is complete, or the reply of a delivery that waits
-- for the others.
local function arrive(need)
  redis.call('HSET', KEYS[28], ARGV[19], ARGV[20])
  redis.call('PEXPIRE', KEYS[28], ARGV[2])
  local have, reason = redis.call('HLEN', KEYS[28]), 'join:' .. ARGV[3]
  if redis.call('HDEL', KEYS[1], '!' .. reason) == 1 then
    redis.call('HINCRBY', KEYS[1], 'unjoined', -1)
  end
  if have >= need then
    disarm()
    return nil
  end
  blame('unjoined', reason, ARGV[3] .. ': ' .. have .. ' of ' .. need .. ' branches arrived')
  local due = arm(have)
  acknowledge()
  note('joined', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4],
    'have', have, 'need', need, 'due', due)
  return {6, have, need, settle(), due}
end

-- A branch of a join that waits no more.
local function late()
  acknowledge()
  note('late', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4])
  return {12, settle()}
end

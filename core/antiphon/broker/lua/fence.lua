-- May this worker still settle the delivery it holds? Included after record.lua.
-- KEYS[16] stream   KEYS[17] idempotency key   KEYS[18] due zset of the group
-- ARGV[3] group     ARGV[4] entry id     ARGV[5] consumer   ARGV[6] event id
-- ARGV[7] stream label of the entry: its type, or 'inbox'   ARGV[8] owner   ARGV[9] attempt
-- ARGV[10] handler time, ms   ARGV[11] lifetime of the idempotency key, ms
local member = ARGV[7] .. '|' .. ARGV[4]

local waiting -- does the key hold names of deliveries that wait for it, each behind a '|'?

-- Source: fencing, Kleppmann, How to do distributed locking.
-- Returns 1 when it may, 2 when it lost the lease, 3 when it has settled the delivery already.
local function standing()
  local state, owner
  state, owner, waiting = unpack(redis.call('HMGET', KEYS[17], 'state', 'owner', 'waiting'))
  if owner == ARGV[8] and state ~= 'claimed' then return 3 end
  local p = redis.call('XPENDING', KEYS[16], ARGV[3], ARGV[4], ARGV[4], 1)
  if owner == ARGV[8] and p[1] and p[1][2] == ARGV[5] then return 1 end
  if redis.call('EXISTS', KEYS[1]) == 1 then
    note('refused', 'group', ARGV[3], 'event', ARGV[6], 'entry', ARGV[4], 'consumer', ARGV[5],
      'attempt', ARGV[9])
  end
  return 2
end

local function conclude(state)
  redis.call('HSET', KEYS[17], 'state', state)
  redis.call('PEXPIRE', KEYS[17], ARGV[11])
  if not waiting or state == 'waiting' then return end
  redis.call('HDEL', KEYS[17], 'waiting')
  for _, name in ipairs(redis.call('HKEYS', KEYS[17])) do
    if string.sub(name, 1, 1) == '|' then
      redis.call('HDEL', KEYS[17], name)
      redis.call('ZADD', KEYS[18], 'XX', now, string.sub(name, 2))
    end
  end
end

-- Returns whether the recovery waited for it: news of a recovery is no part of it.
local function acknowledge()
  redis.call('XACK', KEYS[16], ARGV[3], ARGV[4])
  return redis.call('SREM', KEYS[2], member .. '|' .. ARGV[3]) == 1
end

local function tell(kind, ...)
  note(kind, 'group', ARGV[3], 'event', ARGV[6], 'entry', ARGV[4], 'attempt', ARGV[9],
    'consumer', ARGV[5], 'ms', ARGV[10], ...)
end

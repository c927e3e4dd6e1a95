-- The record of one recovery, shared by every script that touches it. Included after clock.lua.
-- KEYS[1] recovery   hash    KEYS[2] outstanding  set     KEYS[3] ledger   stream
-- KEYS[4] open index zset    KEYS[5] closed index zset    KEYS[6] subject index zset
-- KEYS[7] recovery.completed, KEYS[8] recovery.partial, KEYS[9] recovery.failed,
-- KEYS[10] recovery.halted, KEYS[11] recovery.escalated  streams
-- ARGV[1] correlation id     ARGV[2] retention of a closed record, milliseconds
redis.call('XLEN', KEYS[3]) -- fails here, before the first write, when the ledger is none

local function note(kind, ...)
  redis.call('XADD', KEYS[3], '*', 'kind', kind, ...)
end

-- Something went wrong that the verdict must name: `counter` counts it, `what` says it.
local function blame(counter, name, what)
  redis.call('HINCRBY', KEYS[1], counter, 1)
  redis.call('HSET', KEYS[1], '!' .. name, what)
end

local function open(kind, subject, event, at)
  local status, opened = unpack(redis.call('HMGET', KEYS[1], 'status', 'opened'))
  if status == 'open' then return end
  if status then
    redis.call('HSET', KEYS[1], 'status', 'open')
    redis.call('HDEL', KEYS[1], 'verdict', 'closed')
    redis.call('PERSIST', KEYS[1])
    redis.call('PERSIST', KEYS[3])
    redis.call('ZREM', KEYS[5], ARGV[1])
    note('reopened', 'event', event, 'type', kind)
  else
    opened = math.min(at, now)
    redis.call('HSET', KEYS[1], 'status', 'open', 'type', kind, 'subject', subject,
      'root', event, 'opened', opened)
    redis.call('ZADD', KEYS[6], opened, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - ARGV[2])
    redis.call('PEXPIRE', KEYS[6], ARGV[2])
    note('opened', 'event', event, 'type', kind, 'subject', subject)
  end
  redis.call('ZADD', KEYS[4], opened, ARGV[1])
end

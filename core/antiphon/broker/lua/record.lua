-- The record of one recovery, shared by every script that touches it. Included after clock.lua.
-- KEYS[1] recovery   hash    KEYS[2] outstanding  set     KEYS[3] ledger   stream
-- KEYS[4] open index zset    KEYS[5] closed index zset    KEYS[6] subject index zset
-- KEYS[7] recovery.completed, KEYS[8] recovery.partial, KEYS[9] recovery.failed,
-- KEYS[10] recovery.halted, KEYS[11] recovery.escalated, KEYS[12] recovery.cancelled  streams
-- KEYS[13] timers    zset    KEYS[14] escalations nobody has acknowledged yet   zset
-- KEYS[15] plan      hash: what is to be published later, to time out, or to be undone
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

-- A timer's name in the cell. `kind` is deadline, join, later, undo or child.
local function timer(kind, name) return cjson.encode({kind, tostring(name), ARGV[1]}) end

-- Whether no further step of it is to start.
local function stopped()
  local by, why, undoing = unpack(redis.call('HMGET', KEYS[1], 'cancelled', 'halted', 'undoing'))
  return by or why or undoing
end

-- `e` holds type, subject, event; and for a new recovery at, source, parent, and terms: deadline ms
-- or 0, what becomes of a partial one, time to the second tier, a blank between.
local function open(e)
  local status, opened, terms = unpack(redis.call('HMGET', KEYS[1], 'status', 'opened', 'terms'))
  if status == 'open' then return end
  redis.call('PERSIST', KEYS[1]) -- it may be over, or cancelled before it began
  if status then
    redis.call('HSET', KEYS[1], 'status', 'open')
    redis.call('HDEL', KEYS[1], 'verdict', 'closed', 'stalled') -- its deadline begins anew
    redis.call('PERSIST', KEYS[3])
    redis.call('PERSIST', KEYS[15])
    redis.call('ZREM', KEYS[5], ARGV[1])
    note('reopened', 'event', e.event, 'type', e.type)
  else
    opened, terms = math.min(e.at or now, now), e.terms or ''
    local source, parent = e.source or '', e.parent or ''
    redis.call('HSET', KEYS[1], 'status', 'open', 'type', e.type, 'subject', e.subject,
      'root', e.event, 'opened', opened, 'terms', terms, 'source', source, 'parent', parent)
    redis.call('ZADD', KEYS[6], opened, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - ARGV[2])
    redis.call('PEXPIRE', KEYS[6], ARGV[2])
    note('opened', 'event', e.event, 'type', e.type, 'subject', e.subject, 'source', source,
      'parent', parent)
  end
  redis.call('ZADD', KEYS[4], opened, ARGV[1])
  local deadline = tonumber(string.match(terms or '', '^%d+')) or 0
  if deadline > 0 then
    redis.call('HSET', KEYS[1], 'deadline', now + deadline)
    redis.call('ZADD', KEYS[13], now + deadline, timer('deadline', ''))
  end
end

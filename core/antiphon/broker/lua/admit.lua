-- Admit one delivery: check everything, then take the lease and count the attempt.
-- include record
-- include settle
-- include announce
-- include adopt
-- include join
-- KEYS[1..13] record and delivery   KEYS[14] idempotency key   hash
-- KEYS[15] fence   integer          KEYS[16] join   hash, branch -> event
-- ARGV[1..11] record and delivery   ARGV[12] owner, names this very call
-- ARGV[13] wait for a held key, ms  ARGV[14] branches a join needs, 0 without one
-- ARGV[15] branch                   ARGV[16] the event, for the branches that come later
-- Returns {1, token, attempt, failures, previous consumer or '', branch, event, ...} to run,
--   {2} not ours, {3} recovery closed, {4, delivery that settled it, verdict} duplicate,
--   {5, delivery that holds the key, due ms} waiting, {6, arrived, needed, verdict} joined.
if not ours() then return {2} end
local state, owner, holder, token, attempts, failures, consumer = unpack(redis.call('HMGET',
  KEYS[14], 'state', 'owner', 'delivery', 'token', 'attempts', 'failures', 'consumer'))
local need, mine = tonumber(ARGV[14]), holder == delivery
local function run(previous)
  local branches = need > 0 and redis.call('HGETALL', KEYS[16]) or {}
  return {1, token, attempts, failures, previous, unpack(branches)}
end
if state == 'claimed' and owner == ARGV[12] then return run('') end

local standing = adopt()
if standing == 'closed' then acknowledge() return {3} end
if standing == 'new' then
  redis.call('SREM', KEYS[2], member .. '|?')
  redis.call('SADD', KEYS[2], delivery)
end
if state == 'done' or (state == 'dead' and mine) then
  acknowledge()
  if not mine then -- a group that was lost reads again what it has settled, which is no news
    note('duplicate', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'of', holder)
  end
  return {4, holder, settle()}
elseif (state == 'claimed' or state == 'waiting') and not mine then
  redis.call('ZADD', KEYS[13], now + ARGV[13], member)
  redis.call('HSET', KEYS[14], 'waiting', 1, '|' .. member, '')
  note('waiting', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'of', holder,
    'due', now + ARGV[13])
  return {5, holder, now + ARGV[13]}
end
local parked = need > 0 and arrive(need)
if parked then return parked end
local previous = mine and state == 'claimed' and consumer or ''
attempts, failures = (mine and attempts or 0) + 1, mine and failures or 0
token = redis.call('INCR', KEYS[15])
redis.call('HSET', KEYS[14], 'state', 'claimed', 'owner', ARGV[12], 'delivery', delivery,
  'token', token, 'attempts', attempts, 'failures', failures, 'consumer', ARGV[5])
redis.call('PEXPIRE', KEYS[14], ARGV[11])
redis.call('ZREM', KEYS[13], member)
note('started', 'group', ARGV[3], 'event', ARGV[8], 'type', ARGV[6], 'subject', ARGV[7], 'entry',
  ARGV[4], 'attempt', attempts, 'consumer', ARGV[5], 'token', token, 'from', previous)
return run(previous)

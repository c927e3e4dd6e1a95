-- Admit one delivery: check everything, then take the lease and count the attempt.
-- include clock, record, settle, announce, escalate, trip, relapse, storm, incident
-- include place, adopt
-- include idempotency, join, refuse, halt, limits, window, circuit, guards, rate, breaker
-- include exclusive, budget
-- KEYS[1..22] record, delivery, incident   KEYS[23..24] idempotency key   KEYS[25] join   hash
-- KEYS[26] held   hash   KEYS[27...] of the guards asked for
-- ARGV[1..13] record, delivery, incident   ARGV[14..15] idempotency key
-- ARGV[16] branches a join needs, 0 without one   ARGV[17..18] the branch
-- ARGV[19..21] the recovery's limits   ARGV[22...] the guards asked for
-- Returns {1, token, attempt, failures, previous consumer or '', branch, event, ...} to run,
--   {2} not ours, {3} recovery closed, {4, delivery that settled it, verdict} duplicate,
--   {5, delivery that holds the key, due ms} waiting, {6, arrived, needed, verdict} joined,
--   {7, guard, name, limit, value, due ms, 1 when the hold began now} held, {8, guard, name, limit,
--   value, opens ms or 0, why, verdict, 1 when people were told, path of a halt or ''} suppressed,
--   {9, recovery} a failure that should join this open recovery, {10, one of these, news, ...}
if not ours() then return {2} end
local need = tonumber(ARGV[16])
local function run(previous)
  local branches = need > 0 and redis.call('HGETALL', KEYS[25]) or {}
  return {1, key.token, key.attempts, key.failures, previous, unpack(branches)}
end
if key.state == 'claimed' and key.owner == ARGV[14] then return run('') end
local function admitted()
  local standing, other = adopt()
  if standing == 'joins' then return {9, other} end
  if standing == 'closed' then acknowledge() return {3} end
  if standing == 'new' then
    redis.call('SREM', KEYS[2], member .. '|?')
    redis.call('SADD', KEYS[2], delivery)
  end
  local reply = answered()
  if not reply and need > 0 and not completes(need) then reply = arrive(need) end
  reply = reply or limited(not key.mine) or ask()
  if reply then return reply end
  if need > 0 then arrive(need) end
  visited(not key.mine)
  local previous = take()
  redis.call('ZREM', KEYS[15], member)
  each(function(guard, k, a) guard.spend(k, a, key.token) end)
  note('started', 'group', ARGV[3], 'event', ARGV[8], 'type', ARGV[6], 'subject', ARGV[7], 'entry',
    ARGV[4], 'attempt', key.attempts, 'consumer', ARGV[5], 'token', key.token, 'from', previous)
  return run(previous)
end
local reply = admitted()
if held and reply[1] ~= 7 then redis.call('HDEL', KEYS[26], delivery) end
return #news > 0 and {10, reply, unpack(news)} or reply

-- Admit one delivery: check everything, then take the lease and count the attempt.
-- include clock, record, escalate, judge, account, settle, announce, trip, relapse, storm, incident
-- include place, adopt, planned, idempotency, join, race, refuse, halt, limits, window, circuit, guards, approval, consent
-- include rate, breaker, exclusive, budget
-- KEYS[1..25] record, delivery, incident   KEYS[26..27] idempotency key   KEYS[28] join   hash
-- KEYS[29] held   hash   KEYS[30...] of the guards asked for
-- ARGV[1..15] record, delivery, incident   ARGV[16..17] idempotency key   ARGV[18] branches a join
--   needs, 0 without one   ARGV[19..22] the join   ARGV[23..25] the recovery's limits
-- ARGV[26] what the handler brings   ARGV[27...] the guards asked for
-- Returns {1, token, attempt, failures, previous consumer or '', approval nobody gave or '', branch,
--   event, ...} to run, {2} not ours, {3} recovery closed, {4, delivery that settled it, verdict}
--   duplicate, {5, delivery that holds the key, due ms} waiting, {6, arrived, needed, verdict, when
--   the join gives up, ms or ''} joined, {7, guard, name, limit, value, due ms, 1 when it began now,
--   2 when an approval expired, 3 when people were told of that} held, {8, guard, name, limit, value,
--   opens ms or 0, why, verdict, 1 when people were told, path of a halt or '', attempts} suppressed,
--   {9, recovery} a failure that should join this open one, {10, one of these, news, ...},
--   {11, group, verdict, attempts} outrun: that group's join has what it needs, {12, verdict} late:
--   the join timed out, {13} the join's branches must be named, {14, guard|name|since ms, one of
--   these} the delivery was held by that until now. Attempts are those that had begun before
local need = tonumber(ARGV[18])
if not ours() then return {2} elseif need > 0 and unnamed(need) then return {13} end
local function run(previous)
  return {1, key.token, key.attempts, key.failures, previous, asked.proceeds or '',
    unpack(need > 0 and redis.call('HGETALL', KEYS[28]) or {})}
end
if key.state == 'claimed' and key.owner == ARGV[16] then return run('') end
local function admitted()
  local standing, other = adopt()
  if standing == 'joins' then return {9, other} end
  if standing == 'closed' then acknowledge() return {3} end
  if standing == 'new' then
    redis.call('SREM', KEYS[2], member .. '|?')
    redis.call('SADD', KEYS[2], delivery)
  end
  local reply = answered()
  if not reply and need > 0 then
    local gone = redis.call('HEXISTS', KEYS[1], 'timedout:' .. ARGV[3]) == 1
    if gone then reply = late() else reply = arrive(need) end
  end
  reply = reply or limited(not key.mine) or ask()
  if reply then return reply end
  if need > 0 and not key.mine then win(need) end
  visited(not key.mine)
  local previous = take()
  redis.call('ZREM', KEYS[19], member)
  each(function(guard, k, a) guard.spend(k, a, key.token) end)
  note('started', 'group', ARGV[3], 'event', ARGV[8], 'type', ARGV[6], 'subject', ARGV[7], 'entry',
    ARGV[4], 'attempt', key.attempts, 'consumer', ARGV[5], 'token', key.token, 'from', previous)
  return run(previous)
end
local reply = admitted()
if held and reply[1] ~= 7 and reply[1] ~= 5 then
  redis.call('HDEL', KEYS[29], delivery)
  if reply[1] ~= 1 then each(function(guard, k, a) if guard.drop then guard.drop(k, a) end end) end
end
local over = held and reply[1] ~= 5 and (reply[1] ~= 7 or reply[7] == 1)
if #news > 0 then reply = {10, reply, unpack(news)} end
return over and {14, held, reply} or reply

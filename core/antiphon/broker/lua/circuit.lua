-- Circuit breakers: one state for all replicas, one probe. Included after clock.lua.
-- `b` is the place, among the keys, of a hash: state, failures, successes, since, opened, until,
-- probe, probe_until. The words are those of pybreaker.
-- Source: Nygard, Release It!, chapter 5; gobreaker for the counting.
local LIFETIME = 604800000 -- a breaker that nobody has touched for a week is closed and new, ms

-- Returns nil when `who` may go, true when it goes as the probe, or the instant to ask again,
-- and the failures counted.
local function enter(b, who)
  local state, opens, probe, held, failures = unpack(redis.call('HMGET', KEYS[b], 'state',
    'until', 'probe', 'probe_until', 'failures'))
  if not state or state == 'closed' then return nil, failures end
  if state == 'open' and now < tonumber(opens) then return tonumber(opens), failures end
  if state == 'half-open' and probe and probe ~= who and now < tonumber(held) then
    return tonumber(held), failures
  end
  return true, failures
end

local function take_probe(b, who, lease)
  redis.call('HSET', KEYS[b], 'state', 'half-open', 'probe', who, 'probe_until', now + lease)
  redis.call('PEXPIRE', KEYS[b], LIFETIME)
end

-- Count a call's end: 'success', 'failure', or 'cancelled', which says nothing about the target.
-- Returns 'before>after' when the state changed or the next may go as a probe, or ''.
local function leave(b, who, ended, fail_max, reset, threshold)
  local state, probe = unpack(redis.call('HMGET', KEYS[b], 'state', 'probe'))
  local before, after = state or 'closed', nil
  if before == 'closed' and ended == 'failure' then
    local failures = redis.call('HINCRBY', KEYS[b], 'failures', 1)
    redis.call('PEXPIRE', KEYS[b], LIFETIME)
    if failures >= tonumber(fail_max) then after = 'open' end
  elseif before == 'closed' and ended == 'success' then
    redis.call('DEL', KEYS[b])
  elseif before == 'half-open' and probe == who then
    redis.call('HDEL', KEYS[b], 'probe', 'probe_until')
    if ended == 'failure' then after = 'open' end
    if ended == 'success'
      and redis.call('HINCRBY', KEYS[b], 'successes', 1) >= tonumber(threshold) then
      after = 'closed'
      redis.call('DEL', KEYS[b])
    end
    after = after or before -- the next may go as a probe
  end -- an open circuit heeds no latecomers
  if after == 'open' then
    if before == 'closed' then redis.call('HSET', KEYS[b], 'since', now) end
    redis.call('HSET', KEYS[b], 'state', 'open', 'opened', now, 'until', now + reset,
      'successes', 0)
    redis.call('PEXPIRE', KEYS[b], reset + LIFETIME)
  end
  return after and before .. '>' .. after or ''
end

-- Failures of one type and subject are one incident. Included after relapse.lua.
-- `k` is the first of six keys: pauses hash, guards zset, incident string, relapses zset, storm
-- zset, published marker string.

-- `spec` holds the terms of a recovery (deadline, partial, time to the second tier), then hold,
-- relapses, their window, storm, its window, and whether failures join at all, 1 or 0; `prior` is
-- '' or: closed ms, verdict, recovery.

-- The recovery a failure may join, unless the caller has looked at it and goes its own way.
local function joinable(k, spec, prior)
  local other = redis.call('GET', KEYS[k + 2])
  local known = string.match(prior, '^%d+ %a* (.*)$')
  if not other or other == ARGV[1] or other == known then return nil end
  if known and string.sub(spec, -1) == '0' then return nil end
  redis.call('PEXPIRE', KEYS[k + 2], ARGV[2]) -- known for as long as failures come
  return other
end

-- A failure has opened this recovery.
local function begin(k, kind, subject, spec, prior)
  local tier, hold, limit, window, storm, minute = string.match(spec,
    '^%S+ %S+ (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  redis.call('SET', KEYS[k + 2], ARGV[1], 'PX', ARGV[2])
  local closed, verdict, other = string.match(prior, '^(%d+) (%a*) (.*)$')
  -- A recovery that was halted did not hold either.
  if (verdict == 'completed' or verdict == 'halted') and now - closed < tonumber(hold) then
    relapse(k, kind .. ':' .. subject, other, limit, window, tier)
  end
  weather(k, subject, storm, minute, tier)
end

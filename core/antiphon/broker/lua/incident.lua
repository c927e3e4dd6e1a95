-- Failures of one type and subject are one incident. Included after relapse.lua.
-- `k` is the first of seven keys: pauses hash, escalations zset, guards zset, incident string,
-- relapses zset, storm zset, published marker string.

-- The recovery a failure may join, unless the caller has found it closed: `prior` begins with it.
local function joinable(k, prior)
  local other = redis.call('GET', KEYS[k + 3])
  if other and other ~= ARGV[1] and other ~= string.match(prior, '^%d+ %a* (.*)$') then
    return other
  end
end

-- A failure has opened this recovery. `spec` holds hold, relapses, their window, storm, its window,
-- time to the second tier; `prior` is '' or: closed ms, verdict, recovery.
local function begin(k, kind, subject, spec, prior)
  local hold, limit, window, storm, minute, tier = string.match(spec,
    '(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  redis.call('SET', KEYS[k + 3], ARGV[1], 'PX', ARGV[2])
  local closed, verdict, other = string.match(prior, '^(%d+) (%a*) (.*)$')
  if verdict == 'completed' and now - closed < tonumber(hold) then
    relapse(k, kind .. ':' .. subject, other, limit, window, tier)
  end
  weather(k, subject, storm, minute, tier)
end

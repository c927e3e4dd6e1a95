-- Failures of one type and subject are one incident. Included after escalate.lua.
-- `k` is the first of seven keys: pauses hash, escalations zset, guards zset, incident string,
-- relapses zset, storm zset, published marker string.

-- The recovery a failure may join, unless the caller has found it closed: `prior` begins with it.
local function joinable(k, prior)
  local other = redis.call('GET', KEYS[k + 3])
  if other and other ~= ARGV[1] and other ~= string.match(prior, '^%d+ %a* (.*)$') then
    return other
  end
end

local function relapse(k, name, other, hold, limit, window, tier)
  redis.call('ZREMRANGEBYSCORE', KEYS[k + 4], '-inf', now - window)
  redis.call('ZADD', KEYS[k + 4], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[k + 4], window)
  redis.call('ZADD', KEYS[k + 2], now + window, 'relapse|' .. name .. '|' .. limit .. '|' .. window)
  local count = redis.call('ZCARD', KEYS[k + 4])
  redis.call('HSET', KEYS[1], 'relapse_of', other)
  note('relapsed', 'of', other, 'value', count, 'limit', limit, 'within', window)
  if count < tonumber(limit) then return end
  local subject, why = string.match(name, '^[^:]*:(.*)$'), name .. ': ' .. count
    .. ' times in a row a successful recovery did not hold; the subject is in human hands'
  local entry = cjson.encode({by = 'relapse guard', since = now, reason = why})
  if redis.call('HSETNX', KEYS[k], 'subject:' .. subject, entry) == 0 then return end
  local tried = redis.call('ZRANGE', KEYS[k + 4], 0, -1)
  escalate(k + 1, tier, {guard = 'relapse', name = name, limit = limit, value = count,
    why = why, tier = 1, tried = tried})
end

-- A failure has opened this recovery. `spec` holds hold, relapses, their window, storm, its window,
-- time to the second tier; `prior` is '' or: closed ms, verdict, recovery.
local function begin(k, kind, subject, spec, prior)
  local hold, limit, window, storm, minute, tier = string.match(spec, '(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  redis.call('SET', KEYS[k + 3], ARGV[1], 'PX', ARGV[2])
  local closed, verdict, other = string.match(prior, '^(%d+) (%a*) (.*)$')
  if verdict == 'completed' and now - closed < tonumber(hold) then
    relapse(k, kind .. ':' .. subject, other, hold, limit, window, tier)
  end
  if storm == '0' then return end
  redis.call('ZREMRANGEBYSCORE', KEYS[k + 5], '-inf', now - minute)
  redis.call('ZADD', KEYS[k + 5], now, subject)
  redis.call('PEXPIRE', KEYS[k + 5], minute)
  local count = redis.call('ZCARD', KEYS[k + 5])
  if count <= tonumber(storm) and redis.call('HEXISTS', KEYS[k], 'storm') == 0 then return end
  redis.call('HSET', KEYS[1], 'parked', 1)
  local why = count .. ' subjects fail at once: new recoveries are parked until a person releases them'
  local entry = cjson.encode({by = 'storm brake', since = now, reason = why})
  if redis.call('HSETNX', KEYS[k], 'storm', entry) == 1 then
    escalate(k + 1, tier, {guard = 'storm', name = 'storm', limit = storm, value = count,
      why = why, tier = 1})
  end
end

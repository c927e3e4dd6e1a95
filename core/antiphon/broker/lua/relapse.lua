-- Successful recoveries that do not hold. Included after trip.lua.
-- Source: minHealthyPeriod and maxRetry of the Cluster API control plane's remediation.
local function relapse(k, name, other, limit, window, tier)
  redis.call('ZREMRANGEBYSCORE', KEYS[k + 3], '-inf', now - window)
  redis.call('ZADD', KEYS[k + 3], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[k + 3], window)
  redis.call('ZADD', KEYS[k + 1], now + window, 'relapse|' .. name .. '|' .. limit .. '|' .. window)
  local count, told = redis.call('ZCARD', KEYS[k + 3]), 0
  local why = name .. ': ' .. count .. ' times a successful recovery did not hold'
  redis.call('HSET', KEYS[1], 'relapse_of', other)
  note('relapsed', 'of', other, 'value', count, 'limit', limit, 'within', window)
  if count >= tonumber(limit) then
    told = trip(k, string.gsub(name, '^[^:]*', 'subject'), 'relapse guard', tier, {
      guard = 'relapse', name = name, limit = limit, value = count, tier = 1,
      tried = redis.call('ZRANGE', KEYS[k + 3], 0, -1), why = why})
  end
  news[#news + 1] = {'relapse', name, tonumber(limit), count, why, told, other}
end

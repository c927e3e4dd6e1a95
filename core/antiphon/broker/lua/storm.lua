-- Many subjects that fail at once. Included after trip.lua.
-- Source: stormCooldownDuration of medik8s node health checks.
local function weather(k, subject, storm, minute, tier)
  if storm == '0' then return end
  redis.call('ZREMRANGEBYSCORE', KEYS[k + 4], '-inf', now - minute)
  redis.call('ZADD', KEYS[k + 4], now, subject)
  redis.call('PEXPIRE', KEYS[k + 4], minute)
  local count = redis.call('ZCARD', KEYS[k + 4])
  if count <= tonumber(storm) and redis.call('HEXISTS', KEYS[k], 'storm') == 0 then return end
  local why = count .. ' subjects fail at once: new recoveries are parked until they are released'
  local told = trip(k, 'storm', 'storm brake', tier, {guard = 'storm', name = 'storm',
    limit = storm, value = count, why = why, tier = 1})
  local brake = cjson.decode(redis.call('HGET', KEYS[k], 'storm'))
  redis.call('HSET', KEYS[1], 'parked', brake.since or now) -- by this storm, and by no later one
  news[#news + 1] = {'storm', 'storm', tonumber(storm), count, why, told, ''}
end

-- A resource that one delivery holds at a time. Included after guards.lua.
-- Keys: holder hash, queue zset: delivery -> arrival. Arguments: name, lease ms.
-- Source: fencing, Kleppmann, How to do distributed locking; the token is the delivery's own.
local GRACE = 3000 -- how long a free resource is kept for the first in the queue, ms

guards.exclusive = {keys = 2, args = 2}
local first -- of those that wait

function guards.exclusive.check(k)
  local holder, ends, freed = unpack(redis.call('HMGET', KEYS[k], 'holder', 'until', 'freed'))
  if holder == delivery then return end
  first = redis.call('ZRANGE', KEYS[k + 1], 0, 0)[1]
  local since, due = tonumber(ends or freed or 0), nil
  if holder and tonumber(ends) > now then
    due = tonumber(ends)
  elseif first and first ~= delivery and now - since < GRACE then
    due = since + GRACE
  end
  return due and {limit = 1, value = redis.call('ZCARD', KEYS[k + 1]), due = due}
end

function guards.exclusive.spend(k, a, token)
  redis.call('HSET', KEYS[k], 'holder', delivery, 'owner', ARGV[16], 'token', token,
    'until', now + ARGV[a + 1])
  redis.call('PEXPIRE', KEYS[k], ARGV[a + 1] + 60000)
  if first then -- it goes, and so do those that had the turn before it and did not come
    local rank = redis.call('ZRANK', KEYS[k + 1], delivery)
    redis.call('ZREMRANGEBYRANK', KEYS[k + 1], 0, rank or 0)
  end
  index('exclusive', a, 1, ARGV[a + 1], first or token % 64 == 0)
end

function guards.exclusive.hold(k, a, due)
  redis.call('ZADD', KEYS[k + 1], 'NX', now, delivery)
  redis.call('PEXPIRE', KEYS[k + 1], due - now + ARGV[a + 1] + 60000)
  index('exclusive', a, 1, ARGV[a + 1], true)
end

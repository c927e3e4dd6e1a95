-- Rate limits, exact across replicas. Included after guards.lua.
-- Keys: log zset, queue zset: delivery -> promised instant. Arguments: name, limit, window ms.
-- Whoever is refused is promised a slot of its own, so that nobody asks in vain again and again.
local PATIENCE = 2000 -- how long a promised slot is kept for one that does not come, ms

guards.rate = {keys = 2, args = 3}

function guards.rate.check(k, a)
  local limit, window = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local ahead = 0
  if redis.call('EXISTS', KEYS[k + 1]) == 1 then
    -- By rank: of two promised the same instant, after one came late, the older entry goes first.
    local place = redis.call('ZRANK', KEYS[k + 1], delivery) or redis.call('ZCARD', KEYS[k + 1])
    local lost = redis.call('ZCOUNT', KEYS[k + 1], '-inf', '(' .. now - PATIENCE)
    ahead = math.max(0, place - lost)
  end
  local at, used = slot(k, limit, window, ahead)
  if at > now then return {limit = limit, value = used, due = at} end
end

function guards.rate.spend(k, a, token)
  local news = use(k, tonumber(ARGV[a + 1]), ARGV[a + 2], token)
  if held then redis.call('ZREM', KEYS[k + 1], delivery) end
  index('rate', a, ARGV[a + 1], ARGV[a + 2], news or token % 64 == 0)
end

function guards.rate.hold(k, a, due)
  redis.call('ZREMRANGEBYSCORE', KEYS[k + 1], '-inf', now - PATIENCE)
  redis.call('ZADD', KEYS[k + 1], due, delivery)
  redis.call('PEXPIRE', KEYS[k + 1], due - now + ARGV[a + 2])
end

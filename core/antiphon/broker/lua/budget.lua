-- Restart budgets: how often an action is tried on a subject. Included after guards.lua.
-- Keys: log zset. Arguments: name, limit, window ms.
-- Source: restart intensity, Erlang/OTP Design Principles, Supervisor Behaviour.
guards.budget = {keys = 1, args = 3}

function guards.budget.check(k, a)
  local limit, window = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local at, used = slot(k, limit, window, 0)
  if at <= now then return end
  local tried = {}
  for i, what in ipairs(redis.call('ZRANGE', KEYS[k], -limit, -1)) do
    tried[i] = ARGV[a] .. ' in ' .. string.match(what, '^(.*)#') or what
  end
  return {limit = limit, value = used, opens = at, tried = tried, why = ARGV[a] .. ': '
    .. used .. ' attempts of ' .. limit .. ' allowed; the budget is spent'}
end

-- Whether this is the first refusal since the budget was spent: its mark goes with the next use.
function guards.budget.first(k) return redis.call('ZADD', KEYS[k], 'NX', 1, '!') == 1 end

function guards.budget.spend(k, a, token)
  local news = use(k, tonumber(ARGV[a + 1]), ARGV[a + 2], ARGV[1] .. '#' .. token)
  index('budget', a, ARGV[a + 1], ARGV[a + 2], news or token % 64 == 0)
end

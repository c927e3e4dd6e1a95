-- A guard that sees more than one recovery pauses a part of the cell. Included after escalate.lua.
-- `k` is the first of the keys that incident.lua lists.
local news = {} -- what a beginning brought: guard, name, limit, value, why,
-- 1 when people were told, the recovery it relapsed from or ''

-- A guard pauses a part of the cell by itself, once, and tells people.
local function trip(k, scope, by, tier, e)
  local entry = cjson.encode({by = by, since = now, reason = e.why})
  local first = redis.call('HSETNX', KEYS[k], scope, entry) == 1
  if first then escalate(tier, e) end
  return first and 1 or 0
end

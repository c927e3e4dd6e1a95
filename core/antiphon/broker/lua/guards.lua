-- The guards a handler has asked for, each in a fragment of its own. Included after refuse.lua.
-- KEYS[30...] and ARGV[27...] for each guard: its keys; the name of its kind, and its arguments.
-- A guard has `check`, which writes nothing and returns nil or a refusal: limit, value, and either
-- the instant to look again (`due`) or why the delivery is given up; `spend`; and maybe `hold`.
local guards = {}

local LISTED = 604800000 -- how long a guard is listed beyond its window, ms

-- Make it known that a guard has something to show: at its first use, and now and then.
local function index(kind, a, limit, window, news)
  if not news then return end
  redis.call('ZADD', KEYS[21], now + window + LISTED,
    kind .. '|' .. ARGV[a] .. '|' .. limit .. '|' .. window)
end

-- Visit each in turn until `visit` returns something.
local function each(visit)
  local k, a = 30, 27
  while a <= #ARGV do
    local guard = guards[ARGV[a]]
    local stop = visit(guard, k, a + 1)
    if stop then return stop end
    k, a = k + guard.keys, a + 1 + guard.args
  end
end

-- Ask them all before anything is written. Returns the reply of the first that refuses, or nil.
local function ask()
  return each(function(guard, k, a)
    local no = guard.check(k, a)
    -- What a person delivers again waits its turn like others, but is not given up.
    if not no or (flag('i') and not no.due and not no.firm) then return nil end
    local kind, name = ARGV[a - 1], ARGV[a]
    if no.due then
      local again = guard.hold and guard.hold(k, a, no.due)
      return hold(kind, name, no.limit, no.value, no.due, again)
    end
    if guard.first then no.once = guard.first(k, a, no) end
    return suppress(kind, name, no)
  end)
end

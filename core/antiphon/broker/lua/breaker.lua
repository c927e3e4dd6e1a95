-- A handler's circuit breaker. Included after guards.lua.
-- Keys: breaker hash. Arguments: name, fail_max, reset_timeout ms, lease ms, 'defer' or 'escalate'.
guards.breaker = {keys = 1, args = 5}
local probes, fails -- whether the delivery goes as a probe; failures counted

function guards.breaker.check(k, a)
  local at, failures = enter(k, delivery)
  probes, fails = at == true, failures
  if not at or probes then return end
  local refusal = {limit = ARGV[a + 1], value = failures or 0, due = at}
  if ARGV[a + 4] == 'escalate' then
    refusal.due, refusal.opens, refusal.why = nil, at, ARGV[a] .. ': its circuit is open'
  end
  return refusal
end

function guards.breaker.spend(k, a, token)
  if probes then take_probe(k, delivery, ARGV[a + 3]) end
  index('breaker', a, ARGV[a + 1], ARGV[a + 2], probes or fails or token % 64 == 0)
end

function guards.breaker.hold(k, a)
  index('breaker', a, ARGV[a + 1], ARGV[a + 2], true)
end

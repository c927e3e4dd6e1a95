-- The guard of an approval. Included after approval.lua.
function guards.approval.check(k, a)
  local r = redis.call('HMGET', KEYS[k], 'state', 'due', 'tier', 'votes', 'by', 'reason')
  -- What had ended, or was given for another delivery of this step, is asked for anew.
  if r[1] == 'over' or r[1] == 'used' and not key.mine then r = {} end
  asked = {state = r[1] or 'new', due = tonumber(r[2] or nil), tier = tonumber(r[3] or 0),
    tiers = cjson.decode(ARGV[a + 4])}
  local refusal = {limit = ARGV[a + 1], value = tonumber(r[4] or 0), firm = true}
  if asked.state == 'granted' or asked.state == 'used' then return nil end
  if asked.state == 'denied' then
    refusal.why = 'denied by ' .. r[5] .. (r[6] ~= '' and ': ' .. r[6] or '')
    return refusal
  end
  asked.over = asked.due and now >= asked.due
  local last = asked.tier >= #asked.tiers
  if asked.over and last and ARGV[a + 3] == 'proceed' then return nil end
  if asked.over and last and ARGV[a + 3] == 'deny' then
    refusal.why = 'nobody answered in time'
    return refusal
  end
  local fresh = asked.state == 'new' or asked.over and not last
  local due = fresh and tonumber(ARGV[a + 2]) > 0 and now + ARGV[a + 2] or not asked.over and asked.due
  refusal.due = due or now + LOOK
  return refusal
end

function guards.approval.hold(k, a, due)
  local again = nil
  if asked.state == 'new' then
    request(k, a, 1)
  elseif asked.over and asked.tier < #asked.tiers then
    expire(k, a, 'next tier')
    request(k, a, asked.tier + 1)
    again = 2
  elseif asked.over then -- escalate: it goes on waiting
    expire(k, a, 'escalate')
    redis.call('HSET', KEYS[k], 'due', '')
    escalate(string.match(ARGV[12], '^%S+ %S+ (%S+)'), {guard = 'approval', name = ARGV[a],
      limit = ARGV[a + 1], value = 0, tier = 1, why = ARGV[3]
        .. ' waits for an approval that nobody gave in time: antiphon approve ' .. ARGV[a]})
    again = 3
  end
  redis.call('PEXPIRE', KEYS[k], due - now + ARGV[2])
  return again
end

-- The request is over when the delivery is given up. Returns that nobody need be told.
function guards.approval.first(k, a)
  if asked.state ~= 'denied' then
    expire(k, a, 'deny')
    redis.call('HSET', KEYS[k], 'state', 'denied', 'by', 'nobody', 'reason', 'not answered in time', 'at', now)
  end
  redis.call('ZREM', KEYS[k + 1], ARGV[a])
  return false
end

-- What becomes of a delivery that may not run now, or not at all. Included after idempotency.lua.
-- KEYS[29] held deliveries   hash, delivery -> guard|name|since ms
local held = redis.call('HGET', KEYS[29], delivery)

-- Look again at `due`. The row is written when the hold begins, not each time it is looked at.
-- `again` is what an approval has to say of a hold that goes on: 2 it expired, 3 people were told.
local function hold(guard, name, limit, value, due, again)
  redis.call('ZADD', KEYS[19], due, member)
  local fresh = string.match(held or '', '^(.*)|%d+$') ~= guard .. '|' .. name
  if key.mine then -- attempts are counted however long the hold
    redis.call('PEXPIRE', KEYS[26], math.max(0, due - now) + ARGV[11])
  end
  if fresh then
    redis.call('HSET', KEYS[29], delivery, guard .. '|' .. name .. '|' .. now)
    note('held', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'guard', guard,
      'name', name, 'limit', limit, 'value', value, 'due', due)
  end
  return {7, guard, name, tonumber(limit), tonumber(value), due, again or fresh and 1 or 0}
end

-- End the delivery without running it. `no` holds limit, value, why, and maybe opens, the instant
-- from which it would have run; tried; path; once, false when people were told of this before.
local function suppress(guard, name, no)
  if key.mine then redis.call('DEL', KEYS[26]) end
  if redis.call('SISMEMBER', KEYS[2], delivery) == 1 then -- news of a recovery is no part of it
    blame('suppressed', ARGV[3] .. ':' .. ARGV[8],
      ARGV[3] .. ': suppressed by ' .. guard .. ': ' .. no.why)
  end
  note('suppressed', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'guard', guard,
    'name', name, 'limit', no.limit, 'value', no.value, 'opens', no.opens or '', 'why', no.why)
  local tell = no.once
  if tell == nil then tell = redis.call('HSETNX', KEYS[1], 'told:' .. guard .. name, now) == 1 end
  if tell then
    escalate(string.match(ARGV[12], '^%S+ %S+ (%S+)'), {guard = guard, name = name, limit = no.limit,
      value = no.value, why = no.why, tier = 1, tried = no.tried})
  end
  acknowledge()
  return {8, guard, name, tonumber(no.limit), tonumber(no.value), no.opens or 0, no.why, settle(),
    tell and 1 or 0, no.path or '', tried()}
end

-- Tell people again, a tier further up, when nobody acknowledged an escalation in time.
-- include clock, record, escalate
-- KEYS[1..15] record
-- ARGV[1..2] record    ARGV[3...] how long tier 1, tier 2, … waits to be acknowledged, ms
-- Returns {1, tier, guard, name, why, limit, value} when told now, {0} when it is not due, {2} when
--   there is nothing to tell any more: it was acknowledged, or its record is gone.
local due = redis.call('ZSCORE', KEYS[14], ARGV[1])
if not due then return {2} end
local tier, told, acked = unpack(redis.call('HMGET', KEYS[1], 'tier', 'escalation', 'acked'))
if not told or acked then
  redis.call('ZREM', KEYS[14], ARGV[1])
  return {2}
end
if tonumber(due) > now then return {0} end
local e = cjson.decode(told)
tier = tonumber(tier) + 1
escalate(ARGV[2 + tier], {guard = e.guard, name = e.name, limit = e.limit, value = e.value,
  why = e.reason, tier = tier, tried = e.tried})
return {1, tier, e.guard, e.name, e.reason, e.limit, e.value}

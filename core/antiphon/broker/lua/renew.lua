-- Renew the lease on one delivery in flight: reset its idle time, keep its delivery count.
-- include clock
-- KEYS[1] stream   KEYS[2] idempotency key   hash   KEYS[3] breaker   hash   KEYS[4] exclusive   hash
-- ARGV[1] group    ARGV[2] consumer          ARGV[3] entry id   ARGV[4] owner
-- ARGV[5] lifetime of the idempotency key, ms   ARGV[6] the delivery   ARGV[7] lease, ms, or '' when
--   it has no breaker and no resource
-- Returns 1 when renewed, 0 when somebody else holds the delivery or its entry is gone.
local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if not p[1] or p[1][2] ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[2], 'owner') ~= ARGV[4] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if ARGV[7] ~= '' then
  if redis.call('HGET', KEYS[3], 'probe') == ARGV[6] then
    redis.call('HSET', KEYS[3], 'probe_until', now + ARGV[7])
  end
  if redis.call('HGET', KEYS[4], 'holder') == ARGV[6] then
    redis.call('HSET', KEYS[4], 'until', now + ARGV[7])
    redis.call('PEXPIRE', KEYS[4], ARGV[7] + 60000)
  end
end
return #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')

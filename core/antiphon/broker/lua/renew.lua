-- Renew the lease on one delivery in flight: reset its idle time, keep its delivery count.
-- KEYS[1] stream   KEYS[2] idempotency key   hash
-- ARGV[1] group    ARGV[2] consumer          ARGV[3] entry id   ARGV[4] owner
-- ARGV[5] lifetime of the idempotency key, ms
-- Returns 1 when renewed, 0 when somebody else holds the delivery or its entry is gone.
local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if not p[1] or p[1][2] ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[2], 'owner') ~= ARGV[4] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')

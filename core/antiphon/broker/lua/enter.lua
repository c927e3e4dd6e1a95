-- May a call go out that a circuit breaker guards?
-- include clock, circuit
-- KEYS[1] breaker   hash   KEYS[2] guards   zset
-- ARGV[1] who calls   ARGV[2] lease of a probe, ms   ARGV[3] its entry in the list of guards
-- ARGV[4] reset_timeout, ms
-- Returns {1, 1 when it is the probe} to go, {0, ms until to ask again, failures} when not.
local at, failures = enter(1, ARGV[1])
redis.call('ZADD', KEYS[2], now + ARGV[4] + LIFETIME, ARGV[3])
if at and at ~= true then return {0, at - now, tonumber(failures or 0)} end
if at then take_probe(1, ARGV[1], ARGV[2]) end
return {1, at and 1 or 0}

-- Count the end of a call that a circuit breaker guarded.
-- include clock, circuit
-- KEYS[1] breaker   hash
-- ARGV[1] who called   ARGV[2] success, failure or cancelled   ARGV[3] fail_max
-- ARGV[4] reset_timeout, ms   ARGV[5] success_threshold
-- Returns 'before>after' when the state changed or the next may go as a probe, or ''.
return leave(1, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])

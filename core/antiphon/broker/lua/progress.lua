-- Note how far a running delivery has come.
-- include record
-- include fence
-- KEYS[1..12] record and lease
-- ARGV[1..11] record and lease   ARGV[12] fraction done, 0 to 1   ARGV[13] message
-- Returns {1} when noted, {2} or {3} when the delivery is no longer held.
local may = standing()
if may == 1 then tell('progress', 'fraction', ARGV[12], 'message', ARGV[13]) end
return {may}

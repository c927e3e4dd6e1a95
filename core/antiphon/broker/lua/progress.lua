-- Note how far a running delivery has come.
-- include clock, record, circuit, fence, release
-- KEYS[1..21] record and lease
-- ARGV[1..14] record and lease   ARGV[16] fraction done, 0 to 1   ARGV[17] message
-- Returns {1} when noted, {2} or {3} when the delivery is no longer held.
local may = standing()
if may == 1 then tell('progress', 'fraction', ARGV[16], 'message', ARGV[17]) end
return {may}

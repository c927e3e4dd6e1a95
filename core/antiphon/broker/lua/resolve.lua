-- Give up on work that can never be done: an entry that is gone, a group that was retired,
-- a root event nobody came to hear.
-- include clock, record, escalate, judge, account, settle
-- KEYS[1..15] record
-- ARGV[1..2] record   ARGV[3] the outstanding member   ARGV[4] why   ARGV[5] '1' when it is a fault
-- Returns {1, verdict} when it was outstanding, {0, ''} when not.
if redis.call('SREM', KEYS[2], ARGV[3]) == 0 then return {0, ''} end
local label, entry, group = string.match(ARGV[3], '^(.-)|(.*)|(.-)$')
redis.call('HDEL', KEYS[15], label .. ':' .. entry)
if ARGV[5] == '1' then blame('unanswered', ARGV[3], group .. ' ' .. label .. ': ' .. ARGV[4]) end
note('lost', 'group', group, 'type', label, 'entry', entry, 'error', ARGV[4])
return {1, settle()}

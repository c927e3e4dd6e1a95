-- Claim deliveries nobody has touched for a while, except those that wait for their instant.
-- KEYS[1] stream   KEYS[2] due zset of the group
-- ARGV[1] group    ARGV[2] consumer   ARGV[3] least idle time, ms   ARGV[4] first entry id
-- ARGV[5] how many to look at         ARGV[6] label of the stream
-- ARGV[7] only what this consumer holds, or ''
-- Returns {next entry id or '', {entry id, fields}, ...}; no fields when the entry is gone.
local who = ARGV[7] ~= '' and {ARGV[7]} or {}
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], ARGV[4], '+', ARGV[5],
  unpack(who))
local reply = {#pending == tonumber(ARGV[5]) and '(' .. pending[#pending][1] or ''}
for _, p in ipairs(pending) do
  if not redis.call('ZSCORE', KEYS[2], ARGV[6] .. '|' .. p[1]) then
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], p[1])[1]
    reply[#reply + 1] = {p[1], entry and entry[2] or false}
  end
end
return reply

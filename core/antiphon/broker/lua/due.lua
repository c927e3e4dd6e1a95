-- Take the deliveries of a group whose instant has come.
-- include clock
-- KEYS[1] due zset   KEYS[2...] the streams the group reads
-- ARGV[1] group      ARGV[2] consumer   ARGV[3] how many at most   ARGV[4...] label of each stream
-- Returns {label, entry id, fields} for each delivery taken; no fields when the entry is gone.
local taken = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
  local label, id = string.match(member, '^(.*)|(.*)$')
  for i = 4, #ARGV do
    if ARGV[i] == label then
      local entry = redis.call('XCLAIM', KEYS[i - 2], ARGV[1], ARGV[2], 0, id)[1]
      taken[#taken + 1] = {label, id, entry and entry[2] or false}
    end
  end
  redis.call('ZREM', KEYS[1], member)
end
return taken

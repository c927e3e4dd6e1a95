-- Note that these groups have a worker, and until when that can be relied on.
-- include clock
-- KEYS[1] workers   zset, group -> until when a worker answers for it, ms
-- ARGV[1] for how long   ms   ARGV[2...] groups
-- Returns how many groups no worker had ever answered for.
local new = 0
for i = 2, #ARGV do new = new + redis.call('ZADD', KEYS[1], 'GT', now + ARGV[1], ARGV[i]) end
return new

-- Note that these groups have a worker, and until when that can be relied on.
-- KEYS[1] workers   zset, group -> until when a worker answers for it, ms
-- ARGV[1] for how long   ms   ARGV[2...] groups
-- Returns how many groups no worker had ever answered for.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local new = 0
for i = 2, #ARGV do new = new + redis.call('ZADD', KEYS[1], 'GT', now + ARGV[1], ARGV[i]) end
return new

-- Note what the handlers at work here do, each description by a name of its own, and for how long
-- that can be relied on. One that nobody answers for is forgotten after a while.
-- include clock
-- KEYS[1] parts       hash, name -> description
-- KEYS[2] described   zset, name -> until when a worker answers for it, ms
-- ARGV[1] for how long    ms   ARGV[2] how long to keep one that nobody answers for   ms
-- ARGV[3] how many to keep at most
-- ARGV[4...] names, each with its description, which is empty when it was given before
-- Returns how many names there is no description of.
local until_ms, unknown = now + ARGV[1], 0
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] ~= '' then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[2], 'GT', until_ms, ARGV[i])
  else
    unknown = unknown + 1
  end
end
local function forget(names)
  for _, name in ipairs(names) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  end
end
forget(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2]))
forget(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[3]))
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1] + ARGV[2]) end
return unknown

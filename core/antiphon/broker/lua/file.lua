-- File what a review needs of a closed recovery, where it outlives the record.
-- KEYS[1] recovery  hash     KEYS[2] history of the day on which the recovery opened   hash
-- ARGV[1] correlation id     ARGV[2] its digest     ARGV[3] how often it had been closed when read
-- ARGV[4] when the day is forgotten, Unix ms        ARGV[5] how many recoveries a day may hold
-- Returns 1 when filed, 0 when it was reopened or closed again since it was read, or its record
--   is gone, 2 when the day is full.
local status, closes = unpack(redis.call('HMGET', KEYS[1], 'status', 'closes'))
if status ~= 'closed' or closes ~= ARGV[3] then return 0 end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5])
  and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 2 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIREAT', KEYS[2], ARGV[4])
return 1

-- Which timers of the cell are due?
-- include clock
-- KEYS[1] timers   zset   ARGV[1] how many at most
-- Returns their names, the earliest first.
return redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])

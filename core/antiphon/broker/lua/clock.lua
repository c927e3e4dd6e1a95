-- The server's time in milliseconds, read once. Included, never run alone.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

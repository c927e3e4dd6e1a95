-- A sliding log: no window of that length ever holds more uses than the limit. Included after
-- clock.lua. `log` is the place, among the keys, of a zset: use -> instant, ms.
-- Source: the sliding-window log, as in Xu, System Design Interview, chapter 4.

-- The instant at which the use after the next `ahead` ones may happen, and how many count now.
local function slot(log, limit, window, ahead)
  local gone = redis.call('ZCOUNT', KEYS[log], '-inf', now - window)
  local used = redis.call('ZCARD', KEYS[log]) - gone
  local round, place = math.floor(ahead / limit), ahead % limit
  local free = limit - used -- below 0 when the limit was lowered
  if place < free then return now + round * window, used end
  local nth = gone + place - free
  local at = redis.call('ZRANGE', KEYS[log], nth, nth, 'WITHSCORES')[2]
  return at + (round + 1) * window, used
end

local function use(log, window, what)
  redis.call('ZREMRANGEBYSCORE', KEYS[log], '-inf', now - window)
  redis.call('ZADD', KEYS[log], now, what)
  redis.call('PEXPIRE', KEYS[log], window)
end

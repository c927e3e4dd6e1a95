-- A sliding log: no window of that length ever holds more uses than the limit. Included after
-- clock.lua. `log` is the place, among the keys, of a zset: use -> instant, ms.
-- Source: the sliding-window log, as in Xu, System Design Interview, chapter 4.
local counts = {} -- by log: how many uses it holds, those that no longer count included

-- The instant at which the use after the next `ahead` ones may happen, and how many count now.
local function slot(log, limit, window, ahead)
  local used = redis.call('ZCARD', KEYS[log])
  counts[log] = used
  if used + ahead < limit then return now, used end
  local gone = redis.call('ZCOUNT', KEYS[log], '-inf', now - window)
  used = used - gone
  local round, place = math.floor(ahead / limit), ahead % limit
  local free = limit - used -- below 0 when the limit was lowered
  if place < free then return now + round * window, used end
  local nth = gone + place - free
  local at = redis.call('ZRANGE', KEYS[log], nth, nth, 'WITHSCORES')[2]
  return at + (round + 1) * window, used
end

-- Count a use. Returns whether the log was empty or full, and so has something to be said of it.
local function use(log, limit, window, what)
  local held = counts[log]
  if held >= limit then redis.call('ZREMRANGEBYSCORE', KEYS[log], '-inf', now - window) end
  redis.call('ZADD', KEYS[log], now, what)
  redis.call('PEXPIRE', KEYS[log], window)
  return held == 0 or held >= limit
end

-- Close the record when nothing is outstanding. Included after record.lua.
-- Returns the verdict, or '' while open.
local function settle()
  if redis.call('EXISTS', KEYS[2]) == 1 then return '' end
  local r = redis.call('HMGET', KEYS[1], 'status', 'done', 'dead', 'unanswered', 'unjoined',
    'opened', 'subject', 'suppressed', 'halted')
  if r[1] ~= 'open' then return '' end
  local done, dead, unanswered = tonumber(r[2] or 0), tonumber(r[3] or 0), tonumber(r[4] or 0)
  local suppressed, stream, verdict, reasons = tonumber(r[8] or 0), 7, 'completed', '[]'
  if dead + unanswered + suppressed + tonumber(r[5] or 0) > 0 then
    stream, verdict = 8, 'partial'
    if done == 0 then stream, verdict = 9, 'failed' end
    if r[9] then stream, verdict = 10, 'halted' end
    local list, all = {}, redis.call('HGETALL', KEYS[1])
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, 1) == '!' then list[#list + 1] = all[i + 1] end
    end
    table.sort(list)
    reasons = cjson.encode(list)
  end
  local closes = redis.call('HINCRBY', KEYS[1], 'closes', 1)
  redis.call('HSET', KEYS[1], 'status', 'closed', 'verdict', verdict, 'closed', now)
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('ZADD', KEYS[5], now, ARGV[1])
  redis.call('PEXPIREAT', KEYS[1], now + ARGV[2])
  redis.call('PEXPIREAT', KEYS[3], now + ARGV[2])
  -- A blocked stream silences the news; it must not undo the work, which is written already.
  -- So does the hop limit: a recovery that its own closing reopens would never end.
  local said = closes > 16 and {err = 'hop limit: it was closed 16 times before'}
    or redis.pcall('XADD', KEYS[stream], '*', 'specversion', '1.0',
    'id', ARGV[1] .. ':' .. closes, 'source', 'antiphon', 'type', 'recovery.' .. verdict,
    'subject', r[7], 'correlationid', ARGV[1], 'hops', closes, 'recorded', '1',
    'data', string.format(
      '{"opened_ms":%d,"closed_ms":%d,"done":%d,"dead":%d,"unanswered":%d,"suppressed":%d,'
      .. '"reasons":%s%s}', r[6], now, done, dead, unanswered, suppressed, reasons,
      r[9] and ',"reason":' .. cjson.encode(r[9]) or ''))
  note('closed', 'verdict', verdict, 'done', done, 'dead', dead, 'unanswered', unanswered,
    'suppressed', suppressed,
    unpack(type(said) == 'table' and {'error', said.err} or {}))
  return verdict
end

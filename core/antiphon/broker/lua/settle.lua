-- Close the record when nothing is outstanding. Included after account.lua.
-- Returns '' while open; else the verdict, how long it lasted, ms, how many events, deliveries,
-- further failures and escalations it had, and the type of what opened it, a blank between; then a
-- newline, and what people were told because it ended like that: JSON, or nothing.
-- With a '+' behind, or alone while open, when a timer is due at once.
local function settle()
  if redis.call('EXISTS', KEYS[2]) == 1 then return '' end
  local r = standing_of_all()
  if r.status ~= 'open' then return '' end
  local verdict, faults = judge(r)
  if faults and rolls_back(r, verdict) then return undo_next(r, verdict) end
  local closes, words = redis.call('HINCRBY', KEYS[1], 'closes', 1), '"reasons":[]'
  local stream = VERDICTS[verdict]
  if faults then words = accounted(r, verdict) end
  redis.call('HSET', KEYS[1], 'status', 'closed', 'verdict', verdict, 'closed', now)
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('ZADD', KEYS[5], now, ARGV[1])
  redis.call('PEXPIREAT', KEYS[1], now + ARGV[2])
  redis.call('PEXPIREAT', KEYS[3], now + ARGV[2])
  if verdict == 'completed' then -- what held is not taken back, whatever comes later
    redis.call('HDEL', KEYS[1], 'undos', 'left')
    redis.call('DEL', KEYS[15])
  end
  redis.call('PEXPIREAT', KEYS[15], now + ARGV[2])
  if r.deadline then redis.call('ZREM', KEYS[13], timer('deadline', '')) end
  -- A blocked stream silences the news; it must not undo the work, which is written already.
  -- So does the hop limit: a recovery that its own closing reopens would never end.
  local said = closes > 16 and {err = 'hop limit: it was closed 16 times before'}
    or redis.pcall('XADD', KEYS[stream], '*', 'specversion', '1.0',
    'id', fit(ARGV[1] .. ':' .. closes), 'source', 'antiphon', 'type', 'recovery.' .. verdict,
    'subject', r.subject, 'correlationid', ARGV[1], 'hops', closes, 'recorded', '1',
    'data', string.format(
      '{"opened_ms":%d,"closed_ms":%d,"done":%d,"dead":%d,"unanswered":%d,"suppressed":%d,%s}',
      r.opened, now, r.done, r.dead, r.unanswered, r.suppressed, words),
    unpack(traced()))
  note('closed', 'verdict', verdict, 'done', r.done, 'dead', r.dead, 'unanswered', r.unanswered,
    'suppressed', r.suppressed, 'undone', r.undone or 0,
    unpack(type(said) == 'table' and {'error', said.err} or {}))
  local closing = string.format('%s %d %d %d %d %d %s\n%s', verdict, now - r.opened, r.events,
    r.deliveries, r.coalesced, r.escalations + (told_at_end and 1 or 0), r.type or '',
    told_at_end and cjson.encode(told_at_end) or '')
  if (r.parent or '') == '' then return closing end
  redis.call('ZADD', KEYS[13], now, timer('child', r.parent))
  return closing .. '+'
end

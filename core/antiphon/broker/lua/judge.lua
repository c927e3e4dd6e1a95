-- What a recovery has come to, and what it leaves behind. Included after escalate.lua.
local VERDICTS = {completed = 7, partial = 8, failed = 9, halted = 10, cancelled = 12}

local function standing_of_all()
  local r, names = {}, {'status', 'subject', 'opened', 'halted', 'cancelled', 'undoing', 'undos',
    'undone', 'notundone', 'parent', 'deadline', 'terms', 'type', 'done', 'dead', 'unanswered',
    'unjoined', 'suppressed', 'taken', 'events', 'deliveries', 'coalesced', 'escalations'}
  for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
    r[names[i]] = value or nil
    if i > 13 then r[names[i]] = tonumber(value or 0) end
  end
  return r
end

-- Returns the verdict, and whether there is anything to be named.
local function judge(r)
  -- What was taken back is missing, even when all else went well in the end.
  r.fresh = r.dead + r.unanswered + r.suppressed + r.unjoined
  local faults = r.fresh + r.taken > 0
  if r.undoing then return r.undoing, true end
  if r.cancelled then return 'cancelled', true end
  if not faults then return 'completed', false end
  return r.halted and 'halted' or r.done == 0 and 'failed' or 'partial', true
end

-- Whether steps are left that must be undone before it closes with this verdict.
local function rolls_back(r, verdict)
  if (tonumber(r.undos) or 0) == 0 then return false end
  if verdict == 'partial' and not r.undoing and r.fresh == 0 then return false end
  return verdict ~= 'partial' or string.match(r.terms or '', '^%S+ (%S+)') == 'roll-back'
end

-- Have the step undone that was completed last. Each is one delivery, so one waits for the other.
local function undo_next(r, verdict)
  if not r.undoing then
    redis.call('HSET', KEYS[1], 'undoing', verdict)
    note('undoing', 'verdict', verdict, 'steps', r.undos)
  end
  redis.call('SADD', KEYS[2], 'undo|' .. r.undos .. '|')
  redis.call('ZADD', KEYS[13], now, timer('undo', r.undos))
  return '+'
end

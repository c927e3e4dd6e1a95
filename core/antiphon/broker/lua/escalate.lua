-- Tell people that a recovery needs them. Included after record.lua.
local function text(value) return cjson.encode(tostring(value)) end

-- The id of an event that Antiphon publishes, no longer than any id may be.
local function fit(id) return #id > 256 and redis.sha1hex(id) or id end

-- A list as JSON; an empty one would pass for an object.
local function listed(values) return #values > 0 and cjson.encode(values) or '[]' end

-- What Antiphon itself publishes is of the trace its recovery began in.
local function traced(k)
  local began = redis.call('HGET', KEYS[k or 1], 'traceparent')
  return began and {'traceparent', began} or {}
end

-- The command that shows the recovery, safe to paste into a shell: as `antiphon.advised` writes it.
local function how_to_trace()
  local id, dash = ARGV[1], string.sub(ARGV[1], 1, 1) == '-' and '-- ' or ''
  if string.find(id, '[^%w_@%%+=:,./-]') then id = "'" .. string.gsub(id, "'", "'\"'\"'") .. "'" end
  return 'antiphon trace ' .. dash .. id
end

-- Publish recovery.escalated. `after` is the time until the next tier, ms. `e` holds guard, name,
-- limit, value, why, tier, and `tried`, a list.
-- Returns the id of the event.
local function escalate(after, e)
  local tried = {}
  for i, what in ipairs(e.tried or {}) do tried[i] = tostring(what) end
  local data = string.format('{"reason":%s,"guard":%s,"name":%s,"limit":%d,"value":%d,"tier":%d,'
    .. '"tried":%s,"trace":%s}', text(e.why), text(e.guard), text(e.name), tonumber(e.limit) or 0,
    tonumber(e.value) or 0, e.tier, listed(tried), text(how_to_trace()))
  local subject, count = redis.call('HGET', KEYS[1], 'subject'),
    redis.call('HINCRBY', KEYS[1], 'escalations', 1)
  local id = fit(ARGV[1] .. ':e' .. count)
  if not redis.call('ZSCORE', KEYS[14], ARGV[1]) then redis.call('HSET', KEYS[1], 'unacked', now) end
  redis.call('HSET', KEYS[1], 'escalated', now, 'tier', e.tier, 'escalation', data)
  redis.call('HDEL', KEYS[1], 'acked', 'acked_by')
  redis.call('ZADD', KEYS[14], tonumber(after) and now + after or '+inf', ARGV[1])
  -- A blocked stream silences the news; it must not undo what was decided.
  local said = redis.pcall('XADD', KEYS[11], '*', 'specversion', '1.0', 'id', id,
    'source', 'antiphon', 'type', 'recovery.escalated', 'subject', subject or '-',
    'correlationid', ARGV[1], 'hops', '0', 'recorded', '1', 'data', data,
    unpack(traced()))
  note('escalated', 'event', id, 'guard', e.guard, 'name', e.name, 'limit', e.limit,
    'value', e.value, 'why', e.why, 'tier', e.tier,
    unpack(type(said) == 'table' and {'error', said.err} or {}))
  return id
end

-- The events that a settled delivery brings. Included after fence.lua, and announce.lua.
-- KEYS[k...] three for each: its stream, subscribers of any subject, subscribers about it
-- ARGV[a...] for each: how many values follow the six; type, subject, id, '1' when it is a failure,
--   how it goes out: '' now, 'heard' now if somebody subscribes, 'child' as a recovery of its own,
--   or in how many ms; then fields and values, or its description as JSON when it goes out later

-- Write the entries before anything else is written. Returns the events, or nil and the error of
-- a stream that takes none, with everything taken back.
local function written(k, a)
  local events = {}
  while a <= #ARGV do
    local last, how = a + 5 + ARGV[a], ARGV[a + 5]
    local e = {key = k, type = ARGV[a + 1], subject = ARGV[a + 2], event = ARGV[a + 3],
      failure = ARGV[a + 4], how = how, cause = ARGV[6], by = ARGV[3], late = tonumber(how)}
    if how ~= 'child' and not e.late then e.groups = subscribers(k + 1, k + 2) end
    if e.late then
      e.plan = ARGV[last]
    elseif how ~= 'heard' or #e.groups > 0 then
      local said = redis.pcall('XADD', KEYS[k], '*', 'recorded', how == 'child' and '0' or '1',
        unpack(ARGV, a + 6, last))
      if type(said) == 'table' then -- nothing else is written yet: take back what was
        for _, one in ipairs(events) do
          if one.entry then redis.call('XDEL', KEYS[one.key], one.entry) end
        end
        return nil, said
      end
      e.entry = said
      for i = a + 6, how == 'child' and last or 0, 2 do
        if ARGV[i] == 'hops' then e.hops = ARGV[i + 1] end
      end
    end
    events[#events + 1] = e
    a, k = last + 1, k + 3
  end
  return events
end

-- Write their consequences into the record; add the entries to the reply.
local function consequences(events, reply)
  for _, e in ipairs(events) do
    if e.late or e.how == 'child' then open(e) end -- a handler of its closing may go on with it
    if e.late then
      redis.call('HSET', KEYS[15], 'later:' .. e.event, e.plan)
      redis.call('SADD', KEYS[2], 'later|' .. e.event .. '|' .. e.type)
      redis.call('ZADD', KEYS[13], now + e.late, timer('later', e.event))
      note('scheduled', 'event', e.event, 'type', e.type, 'subject', e.subject, 'cause', e.cause,
        'by', e.by, 'due', now + e.late)
    elseif e.how == 'child' then
      redis.call('SADD', KEYS[2], 'child|' .. e.event .. '|' .. e.type)
      redis.call('HSET', KEYS[15], 'child:' .. e.event,
        cjson.encode({cause = e.cause, by = e.by, hops = e.hops}))
      note('child', 'child', e.event, 'type', e.type, 'subject', e.subject, 'event', e.event,
        'entry', e.entry, 'cause', e.cause, 'by', e.by)
    elseif e.entry then
      announce('published', e, e.groups)
    end
    reply[#reply + 1] = e.entry or ''
  end
end

-- What the events of a settled delivery mean for the record. Included after outgoing.lua.

-- Write their consequences into the record; add the entries to the reply.
local function consequences(events, reply)
  for _, e in ipairs(events) do
    if e.dropped then
      note('dropped', 'event', e.event, 'type', e.type, 'subject', e.subject, 'cause', e.cause, 'by',
        e.by)
    elseif e.late then
      open(e) -- a handler of its closing may go on with it
      redis.call('HSET', KEYS[15], 'later:' .. e.event, e.plan)
      redis.call('SADD', KEYS[2], 'later|' .. e.event .. '|' .. e.type)
      redis.call('ZADD', KEYS[13], now + e.late, timer('later', e.event))
      note('scheduled', 'event', e.event, 'type', e.type, 'subject', e.subject, 'cause', e.cause,
        'by', e.by, 'due', now + e.late)
    elseif e.how == 'child' then
      if redis.call('HGET', KEYS[1], 'status') == 'open' then -- one that is over waits for nothing
        redis.call('SADD', KEYS[2], 'child|' .. e.event .. '|' .. e.type)
        redis.call('HSET', KEYS[15], 'child:' .. e.event,
          cjson.encode({cause = e.cause, by = e.by, hops = e.hops}))
      end
      note('child', 'child', e.event, 'type', e.type, 'subject', e.subject, 'event', e.event,
        'entry', e.entry, 'cause', e.cause, 'by', e.by)
    elseif e.entry then
      announce('published', e, e.groups)
    end
    reply[#reply + 1] = e.entry or e.dropped and 'dropped' or ''
  end
end

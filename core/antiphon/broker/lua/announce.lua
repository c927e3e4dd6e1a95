-- Write one event's consequences into the record. Included after record.lua.

-- The groups that must react to an event of this type and subject.
local function subscribers(any, about)
  return redis.call('SUNION', KEYS[any], KEYS[about])
end

-- The trace context among fields and values, the first at `from`; a foreign writer's may be anything.
local function carried(fields, from)
  for i = from, #fields, 2 do
    if fields[i] == 'traceparent' then return string.match(fields[i + 1], '^[%x%-]+$') and
      #fields[i + 1] == 55 and fields[i + 1] end
  end
end

-- Count the deliveries an entry owes, and note it as `kind` ('published' or 'adopted').
-- `e` holds type, subject, event, entry, cause, by, failure ('1' or '0'), and what `open` needs;
-- and for a new recovery the trace it began in, if any.
local function announce(kind, e, groups)
  local known = redis.call('HEXISTS', KEYS[1], 'status') == 1
  if not known or #groups > 0 then open(e) end
  if not known and e.trace then redis.call('HSET', KEYS[1], 'traceparent', e.trace) end
  local member = e.type .. '|' .. e.entry .. '|'
  for _, group in ipairs(groups) do redis.call('SADD', KEYS[2], member .. group) end
  redis.call('HINCRBY', KEYS[1], 'events', 1)
  redis.call('HINCRBY', KEYS[1], 'deliveries', #groups)
  note(kind, 'event', e.event, 'type', e.type, 'subject', e.subject, 'entry', e.entry,
    'cause', e.cause, 'by', e.by, 'to', table.concat(groups, ','))
  if #groups > 0 then return end
  if not known then -- a root nobody hears yet stays open, so that a later handler can answer it
    redis.call('SADD', KEYS[2], member .. '?')
  elseif e.failure == '1' then
    blame('unanswered', e.entry, e.type .. ' about ' .. e.subject .. ': no handler answered')
  end
end

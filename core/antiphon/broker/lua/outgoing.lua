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
    e.dropped = not e.groups and stopped()
    if e.late then
      e.plan = ARGV[last]
    elseif not e.dropped and (how ~= 'heard' or #e.groups > 0) then
      local fields = {'recorded', how == 'child' and '0' or '1', unpack(ARGV, a + 6, last)}
      if how == 'child' then
        fields[#fields + 1], fields[#fields + 2] = 'requester', redis.call('HGET', KEYS[1], 'source')
      end
      local said = redis.pcall('XADD', KEYS[k], '*', unpack(fields))
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

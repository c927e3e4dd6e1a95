-- Whether the recovery may go on at all, and now. Included after halt.lua and race.lua.
-- ARGV[23] hops of the event   ARGV[24] max_age ms, max_hops, max_events,
--   max_visits, a blank between; '' for a delivery that nothing limits   ARGV[25] service
local visits = 'visits:' .. ARGV[3] .. '|' .. ARGV[7]

local function visited(first)
  if first and ARGV[24] ~= '' and not flag('n') and not flag('i') then
    redis.call('HINCRBY', KEYS[1], visits, 1)
  end
end

-- Returns the reply of the limit that refuses, or nil. `first`: the delivery has not run before.
local function limited(first)
  if ARGV[24] == '' then return nil end
  local scopes = {'*', 'service:' .. ARGV[25], 'subject:' .. ARGV[7], 'storm'}
  local pauses = redis.call('HMGET', KEYS[20], unpack(scopes))
  local max_age, max_hops, max_events, max_visits =
    string.match(ARGV[24], '(%d+) (%d+) (%d+) (%d+)')
  local halted, parked, events, seen, cancelled, undoing, outran, approved =
    unpack(redis.call('HMGET', KEYS[1], 'halted', 'parked', 'events', visits, 'cancelled', 'undoing',
      'outran', 'approved:' .. delivery))
  local hops, age = tonumber(ARGV[23]), now - string.match(ARGV[4], '^%d+')
  max_age, max_hops = tonumber(max_age), tonumber(max_hops)
  events, max_events = tonumber(events or 0), tonumber(max_events)
  seen, max_visits = tonumber(seen or 0), tonumber(max_visits)
  local outside = flag('n') or flag('i') -- news, or a person's wish: no part of what may run away
  if (halted or cancelled or undoing) and not outside then
    local guard, why = 'halt', 'halted before'
    if cancelled then guard, why = 'cancel', 'cancelled' end
    if undoing then guard, why = 'undo', 'rolled back' end
    return suppress(guard, 'recovery',
      {limit = 0, value = 0, why = 'the recovery was ' .. why, once = false})
  end
  local reply = outran and outrun()
  if reply then return reply end
  for i = 1, 3 do
    if pauses[i] then return hold('pause', scopes[i], 0, 0, now + 60000) end
  end
  if outside then return nil end
  -- Whoever resumes one subject, or approves of a step, has looked at it.
  local waits = held or ''
  local handed_back = approved or string.match(waits, '^pause|subject:')
    or string.match(waits, '^approval|')
  if first and max_age > 0 and flag('f') and age > max_age and not handed_back then
    return suppress('staleness', ARGV[6] .. ':' .. ARGV[7], {limit = max_age, value = age,
      why = 'the failure is older than what is acted on; check the subject by hand'})
  elseif hops > max_hops then
    return halt('hops', 'recovery', max_hops, hops, 'more than ' .. max_hops .. ' hops')
  elseif events > max_events then
    return halt('events', 'recovery', max_events, events, 'more than ' .. max_events .. ' events')
  elseif first and seen >= max_visits then
    return halt('visits', ARGV[3] .. ':' .. ARGV[7], max_visits, seen + 1,
      ARGV[3] .. ' about ' .. ARGV[7] .. ' more than ' .. max_visits .. ' times')
  elseif parked and pauses[4] and cjson.decode(pauses[4]).since == tonumber(parked) then
    return hold('storm', 'storm', 0, 0, now + 60000)
  end
end

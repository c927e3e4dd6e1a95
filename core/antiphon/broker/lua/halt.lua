-- Stop a recovery that goes beyond its limits. Included after refuse.lua.

local function named(event, rows)
  local e = rows[event]
  return e and e.type .. ' ' .. e.subject or event
end

-- The causes of this delivery, from the root on: how a loop is seen.
local function path()
  local rows = {}
  for _, row in ipairs(redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 4000)) do
    local e = {}
    for i = 1, #row[2], 2 do e[row[2][i]] = row[2][i + 1] end
    if e.kind == 'published' or e.kind == 'adopted' then rows[e.event] = e end
  end
  local steps, event = {ARGV[3]}, ARGV[8]
  while event and event ~= '' and #steps < 40 do
    table.insert(steps, 1, named(event, rows))
    local e = rows[event]
    if e and e.by ~= '' then table.insert(steps, 1, e.by) end
    event = e and e.cause
  end
  return table.concat(steps, ' → ')
end

local function halt(guard, name, limit, value, why)
  local way = path()
  redis.call('HSET', KEYS[1], 'halted', why .. ': ' .. way)
  drop_planned()
  note('halted', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'guard', guard,
    'name', name, 'limit', limit, 'value', value, 'path', way)
  return suppress(guard, name,
    {limit = limit, value = value, why = why .. ': ' .. way, path = way, once = true})
end

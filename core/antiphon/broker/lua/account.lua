-- What is said when a recovery that did not complete is closed. Included after judge.lua.

local told_at_end -- what people were told because it ended like that

-- Name what completed, what did not and what that leaves; tell people where that is asked for.
-- Returns it as members of a JSON object.
local function accounted(r, verdict)
  local found, all = {['!'] = {}, ['+'] = {}, ['-'] = {}}, redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local list, name = found[string.sub(all[i], 1, 1)], string.sub(all[i], 2)
    if list then list[#list + 1] = list == found['!'] and all[i + 1] or name end
  end
  for _, list in pairs(found) do table.sort(list) end
  local kept, left, why = found['+'], '', r.cancelled or r.halted or ''
  if #kept > 0 and (#found['!'] > 0 or why ~= '') then
    left = table.concat(kept, ', ') .. ' took effect, and this did not: '
      .. (#found['!'] > 0 and table.concat(found['!'], '; ') or 'what should have followed')
  end
  redis.call('HDEL', KEYS[1], 'undoing')
  redis.call('HSET', KEYS[1], 'left', left)
  local partial, tier = string.match(r.terms or '', '^%S+ (%S+) (%S+)')
  local failed = (tonumber(r.notundone) or 0) > 0
  if failed or (partial == 'escalate' and (verdict == 'partial' or verdict == 'failed')) then
    told_at_end = {guard = failed and 'undo' or 'verdict', name = 'recovery', limit = 0,
      value = tonumber(failed and r.notundone or #found['!']), tier = 1, tried = found['!'],
      why = failed and r.notundone .. ' steps could not be undone'
        or left ~= '' and left or 'it ended as ' .. verdict}
    escalate(tier, told_at_end)
    told_at_end.tried = nil
  end
  return string.format('"reasons":%s,"completed":%s,"undone":%s,"left":%s%s', listed(found['!']),
    listed(kept), listed(found['-']), text(left), why ~= '' and ',"reason":' .. text(why) or '')
end

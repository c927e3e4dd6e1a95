-- Is a delivery that is outstanding lost for good? Nobody holds it, and nobody can read it.
-- include clock, record, escalate, judge, account, settle
-- KEYS[1..15] record   KEYS[16] stream of the delivery
-- ARGV[1..2] record   ARGV[3] the outstanding member: label|entry id|group
-- Returns {1, verdict} when it was lost and is settled now, {0, ''} when it is in good hands.
local label, entry, group = string.match(ARGV[3], '^(.-)|(.-)|(.*)$')
local function after(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams ~= bms then return tonumber(ams) > tonumber(bms) end
  return tonumber(aseq) > tonumber(bseq)
end
local function safe()
  if redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 0 then return true end
  local exists = #redis.call('XRANGE', KEYS[16], entry, entry) == 1
  local groups = redis.pcall('XINFO', 'GROUPS', KEYS[16])
  for _, info in ipairs(groups) do
    local g = {}
    for i = 1, #info, 2 do g[info[i]] = info[i + 1] end
    if g.name == group then
      if exists and after(entry, g['last-delivered-id']) then return true end
      return #redis.call('XPENDING', KEYS[16], group, entry, entry, 1) == 1
    end
  end
  return exists -- the group itself is gone: its worker makes it again, or it is retired
end
if safe() then return {0, ''} end
redis.call('SREM', KEYS[2], ARGV[3])
blame('unanswered', ARGV[3], group .. ': the entry ' .. entry .. ' of ' .. label .. ' was lost')
note('lost', 'group', group, 'type', label, 'entry', entry, 'error', 'trimmed or deleted')
return {1, settle()}

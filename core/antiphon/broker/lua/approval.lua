-- People must agree before a delivery runs. Included after guards.lua.
-- Keys: request hash, requests zset, stream of approval.requested, stream of approval.expired.
-- Arguments: id, quorum, time that each tier has ms or 0, what follows, the tiers as JSON.
-- A request is pending, then granted or denied by approval scripts; used once the delivery ran.
guards.approval = {keys = 4, args = 5}
local LOOK, asked = 3600000, {} -- a delivery that nobody's answer brings forward is looked at hourly

local function publish_approval(k, a, kind, rest)
  -- A blocked stream silences the news; it must not undo what was decided.
  redis.pcall('XADD', KEYS[k], '*', 'specversion', '1.0', 'id', ARGV[a] .. ':' .. kind .. asked.tier .. ':' .. now,
    'source', 'antiphon', 'type', 'approval.' .. kind, 'subject', ARGV[7], 'correlationid', ARGV[1],
    'causationid', ARGV[8], 'hops', '0', 'recorded', '1', 'data', string.format(
      '{"approval":%s,"step":%s,"event_type":%s,"event_id":%s,"otherwise":%s,"tier":%d%s}',
      text(ARGV[a]), text(ARGV[3]), text(ARGV[6]), text(ARGV[8]), text(ARGV[a + 3]), asked.tier, rest),
    unpack(traced()))
end

-- Ask the first `tier` tiers.
local function request(k, a, tier)
  local who, within, requester = {}, tonumber(ARGV[a + 2]), redis.call('HGET', KEYS[1], 'source') or ''
  for i = 1, tier do for _, name in ipairs(asked.tiers[i]) do who[#who + 1] = name end end
  asked.tier, asked.due = tier, within > 0 and now + within or nil
  if tier == 1 then redis.call('DEL', KEYS[k]) end -- whatever was answered of it before
  redis.call('HSET', KEYS[k], 'state', 'pending', 'tier', tier, 'due', asked.due or '',
    'who', listed(who), 'quorum', ARGV[a + 1], 'otherwise', ARGV[a + 3], 'delivery', delivery,
    'recovery', ARGV[1], 'event', ARGV[8], 'type', ARGV[6], 'subject', ARGV[7],
    'last', tier == #asked.tiers and 1 or 0, 'requester', requester)
  redis.call('HSETNX', KEYS[k], 'asked', now)
  redis.call('ZADD', KEYS[k + 1], 'NX', now, ARGV[a])
  note('asked', 'approval', ARGV[a], 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4],
    'who', table.concat(who, ','), 'quorum', ARGV[a + 1], 'due', asked.due or '',
    'otherwise', ARGV[a + 3], 'tier', tier, 'requester', requester)
  publish_approval(k + 2, a, 'requested', string.format(
    ',"approvers":%s,"quorum":%d,"requester":%s,"expires_ms":%d', listed(who), ARGV[a + 1],
    text(requester), asked.due or 0))
end

local function expire(k, a, follows)
  note('expired', 'approval', ARGV[a], 'group', ARGV[3], 'event', ARGV[8], 'otherwise', follows,
    'tier', asked.tier)
  publish_approval(k + 3, a, 'expired', '')
end

-- The delivery that waits has ended without an answer.
function guards.approval.drop(k, a)
  if redis.call('HGET', KEYS[k], 'state') ~= 'pending' then return end
  redis.call('HSET', KEYS[k], 'state', 'over', 'at', now)
  redis.call('ZREM', KEYS[k + 1], ARGV[a])
end

function guards.approval.spend(k, a)
  if asked.state == 'used' then return end
  if asked.state == 'pending' then
    expire(k, a, 'proceed')
    asked.proceeds = ARGV[a]
  end
  redis.call('HSET', KEYS[k], 'state', 'used', 'at', now)
  redis.call('PEXPIRE', KEYS[k], ARGV[2])
  redis.call('ZREM', KEYS[k + 1], ARGV[a])
end

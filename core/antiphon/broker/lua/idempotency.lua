-- One effect, one commit: the key's states are claimed, waiting, done, dead. Included after adopt.lua.
-- KEYS[26] idempotency key   hash   KEYS[27] fence   integer
-- ARGV[16] owner, names this very call   ARGV[17] wait for a held key, ms
local key = {}
key.state, key.owner, key.holder, key.token, key.attempts, key.failures, key.consumer = unpack(
  redis.call('HMGET', KEYS[26], 'state', 'owner', 'delivery', 'token', 'attempts', 'failures',
    'consumer'))
key.mine = key.holder == delivery -- whether this very delivery has the key

-- How many attempts of this delivery had begun: whoever made them may not have lived to say so.
local function tried() return tonumber(key.mine and key.attempts or 0) end

-- Returns the reply of a delivery whose effect is done or under way elsewhere, or nil.
local function answered()
  if key.state == 'done' or (key.state == 'dead' and key.mine) then
    acknowledge()
    if not key.mine then -- a lost group reads again what it has settled, which is no news
      note('duplicate', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'of', key.holder)
    end
    return {4, key.holder, settle()}
  elseif (key.state == 'claimed' or key.state == 'waiting') and not key.mine then
    redis.call('ZADD', KEYS[19], now + ARGV[17], member)
    local fresh = redis.call('HSET', KEYS[26], 'waiting', 1, '|' .. member, '') > 0
    if fresh then
      note('waiting', 'group', ARGV[3], 'event', ARGV[8], 'entry', ARGV[4], 'of', key.holder,
        'due', now + ARGV[17])
    end
    return {5, key.holder, now + ARGV[17]}
  end
end

-- Take the key: a new attempt begins. Returns the consumer that fell silent holding it, or ''.
local function take()
  local previous = key.mine and key.state == 'claimed' and key.consumer or ''
  key.attempts = (key.mine and key.attempts or 0) + 1
  key.failures = key.mine and key.failures or 0
  key.token = redis.call('INCR', KEYS[27])
  redis.call('HSET', KEYS[26], 'state', 'claimed', 'owner', ARGV[16], 'delivery', delivery,
    'token', key.token, 'attempts', key.attempts, 'failures', key.failures, 'consumer', ARGV[5])
  redis.call('PEXPIRE', KEYS[26], ARGV[11])
  return previous
end

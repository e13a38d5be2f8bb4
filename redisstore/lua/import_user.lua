-- import_user writes an account that comes from elsewhere: whole with its
-- sessions where it is new, without touching its sessions where it is known.
--
-- KEYS  1 generation, 2 user hash, 3 index, then one session hash for each session
-- ARGV  1 username, 2 password hash, 3 staff (0 or 1), 4 bannedAt in ms or '',
--       5 createdAt in ms, 6 seconds that a session lives unused (0 for as long
--       as any), then for each session: ID, exp in s, createdAt in ms, name
-- Reply {'created', number of sessions} | {'updated', the name it had}
--
-- One step, so that an import that is cut off leaves no account whose sessions
-- a second run would then leave out.
local current, user, index = generation(KEYS[1]), KEYS[2], KEYS[3]
local name = redis.call('HGET', user, 'username')
local held = redis.call('ZCARD', index)

redis.call('HSET', user, 'username', ARGV[1], 'passwordHash', ARGV[2], 'staff', ARGV[3], 'createdAt', ARGV[5])
if ARGV[4] == '' then
  redis.call('HDEL', user, 'bannedAt')
else
  redis.call('HSET', user, 'bannedAt', ARGV[4])
end
if name then return {'updated', name} end

local now, idle, n = tonumber(redis.call('TIME')[1]), tonumber(ARGV[6]), 0
for i = 7, #ARGV, 4 do
  local id, exp, created, label = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if tonumber(exp) > now then
    local key = KEYS[4 + (i - 7) / 4]
    -- Whatever is there outlived its account: a key of another type would fail
    -- half way through, a session's own fields would linger in the new one.
    redis.call('DEL', key)
    redis.call('HSET', key, 'name', label, 'exp', exp, 'createdAt', created, 'updatedAt', created)
    if current > 0 then redis.call('HSET', key, 'gen', string.format('%.0f', current)) end
    redis.call('EXPIREAT', key, idle > 0 and string.format('%.0f', math.min(tonumber(exp), now + idle)) or exp)
    redis.call('ZADD', index, exp, id)
    n = n + 1
  end
end
if n + held > 0 then
  redis.call('EXPIREAT', index, redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2])
end
return {'created', tostring(n)}

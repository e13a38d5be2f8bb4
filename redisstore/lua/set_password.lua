-- set_password gives an account a new password and ends all its sessions.
--
-- KEYS  1 generation, 2 trail, 3 user hash, 4 index, then one session hash for
--       each known ID
-- ARGV  1 events that the trail keeps, 2 who changes it, 3 password hash, then the
--       known IDs
-- Reply {'changed', ID ...} of the sessions that this call ended | {'unknown'} |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step: whoever changes a password wants those out who know the old one, and
-- a login that verified it before comes too late for either to slip through.
local current, trail = generation(KEYS[1]), {key = KEYS[2], max = tonumber(ARGV[1])}
local user, index = KEYS[3], KEYS[4]
if redis.call('HEXISTS', user, 'passwordHash') == 0 then return {'unknown'} end

local known = {}
for i = 4, #ARGV do known[ARGV[i]] = KEYS[1 + i] end

local members = redis.call('ZRANGE', index, 0, -1)
for _, id in ipairs(members) do
  if not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

-- The one command that memory can refuse comes before any other write.
redis.call('HSET', user, 'passwordHash', ARGV[3])
local reply = {'changed'}
for _, id in ipairs(members) do
  if finish(known[id], id, current, trail, ARGV[2], 'password') then reply[#reply + 1] = id end
end
redis.call('DEL', index)
return reply

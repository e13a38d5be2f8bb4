-- set_password gives an account a new password and ends all its sessions.
--
-- KEYS  1 generation, 2 user hash, 3 index, then one session hash for each known
--       ID
-- ARGV  1 password hash, then the known IDs
-- Reply {'changed', ID ...} of the sessions that this call ended | {'unknown'} |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step: whoever changes a password wants those out who know the old one, and
-- a login that verified it before comes too late for either to slip through.
local current, user, index = generation(KEYS[1]), KEYS[2], KEYS[3]
if redis.call('HEXISTS', user, 'passwordHash') == 0 then return {'unknown'} end

local known = {}
for i = 2, #ARGV do known[ARGV[i]] = KEYS[2 + i] end

local members = redis.call('ZRANGE', index, 0, -1)
for _, id in ipairs(members) do
  if not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

-- The one command that memory can refuse comes before any other write.
redis.call('HSET', user, 'passwordHash', ARGV[1])
local reply = {'changed'}
for _, id in ipairs(members) do
  if finish(known[id], current) then reply[#reply + 1] = id end
end
redis.call('DEL', index)
return reply

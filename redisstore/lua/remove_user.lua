-- remove_user deletes an account together with every session of it.
--
-- KEYS  1 user hash, 2 index, then one session hash for each known ID
-- ARGV  the known IDs
-- Reply {'removed', user name} | {'unknown'} |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step: an account without its sessions, or sessions without an account,
-- is a state that nobody ever sees.
local user, index = KEYS[1], KEYS[2]
local name = redis.call('HGET', user, 'username')

local known = {}
for i, id in ipairs(ARGV) do known[id] = KEYS[2 + i] end

local members = redis.call('ZRANGE', index, 0, -1)
for _, id in ipairs(members) do
  if not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

for _, id in ipairs(members) do redis.call('DEL', known[id]) end
redis.call('DEL', index)
if redis.call('DEL', user) == 0 then return {'unknown'} end
return {'removed', name or ''}

-- remove_user deletes an account together with every session of it.
--
-- KEYS  1 generation, 2 trail, 3 user hash, 4 index, then one session hash for
--       each known ID
-- ARGV  1 events that the trail keeps, 2 who removes it, then the known IDs
-- Reply {'removed', user name, ID ... of the sessions ended} | {'unknown'} |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step: an account without its sessions, or sessions without an account,
-- is a state that nobody ever sees. The trail stays until it expires: to tell
-- what became of an account is what it is for.
local current, trail = generation(KEYS[1]), {key = KEYS[2], max = tonumber(ARGV[1])}
local user, index = KEYS[3], KEYS[4]
local name = redis.call('HGET', user, 'username')

local known = {}
for i = 3, #ARGV do known[ARGV[i]] = KEYS[2 + i] end

local members = redis.call('ZRANGE', index, 0, -1)
for _, id in ipairs(members) do
  if not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

local reply = {'removed', name or ''}
for _, id in ipairs(members) do
  if finish(known[id], id, current, trail, ARGV[2], 'removed') then reply[#reply + 1] = id end
end
redis.call('DEL', index)
if redis.call('DEL', user) == 0 then return {'unknown'} end
return reply

-- list_sessions reads the names of all live sessions of a user at one moment.
--
-- KEYS  1 index, then one session hash for each known ID
-- ARGV  the known IDs
-- Reply {'listed', ID, name, ID, name ...} in no order |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step, so that no list shows half of a deletion. Index members without a
-- hash (deleted by hand) are dropped here and not counted.
local index = KEYS[1]
local now = redis.call('TIME')[1]

local known = {}
for i, id in ipairs(ARGV) do known[id] = KEYS[1 + i] end

local members = redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf')
for _, id in ipairs(members) do
  if not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

local reply, gone = {'listed'}, {}
for _, id in ipairs(members) do
  local name = redis.call('HGET', known[id], 'name')
  if name or redis.call('EXISTS', known[id]) == 1 then
    reply[#reply + 1] = id
    reply[#reply + 1] = name or ''
  else
    gone[#gone + 1] = id
  end
end

redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
for _, id in ipairs(gone) do redis.call('ZREM', index, id) end
return reply

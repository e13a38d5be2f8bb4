-- list_sessions reads all live sessions of a user at one moment.
--
-- KEYS  1 generation, 2 index, then one session hash for each known ID
-- ARGV  1 how many fields to read, 2 the fields, then the known IDs
-- Reply {'listed', ID, value ..., ID, value ...} in no order, '' for no value |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step, so that no list shows half of a deletion. Index members without a
-- hash (deleted by hand, or idle for too long) are dropped here and not counted;
-- those of an earlier generation are not counted either, and left to the sweep.
local current, index = generation(KEYS[1]), KEYS[2]
local now = redis.call('TIME')[1]

local n = tonumber(ARGV[1])
local fields = {unpack(ARGV, 2, 1 + n)}
local known = {}
for i = 2 + n, #ARGV do known[ARGV[i]] = KEYS[i + 1 - n] end

local members = redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf')
for _, id in ipairs(members) do
  if not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

local reply, gone = {'listed'}, {}
for _, id in ipairs(members) do
  local values = redis.call('HMGET', known[id], unpack(fields))
  if (current == 0 and values[1]) or lives(known[id], current) then
    reply[#reply + 1] = id
    for i = 1, n do reply[#reply + 1] = values[i] or '' end
  elseif redis.call('EXISTS', known[id]) == 0 then
    gone[#gone + 1] = id
  end
end

redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
for _, id in ipairs(gone) do redis.call('ZREM', index, id) end
return reply

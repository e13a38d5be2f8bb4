-- end_all_sessions ends every session of one user, but for one that is kept.
--
-- KEYS  1 generation, 2 index, then one session hash for each known ID
-- ARGV  1 the ID to keep, or '', then the known IDs
-- Reply {'ended', ID ...} of those that this call ended |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step: either all are ended or, with 'retry', none was yet. A login that
-- slips in between two calls is in the index by then, so it is never missed.
local current, index, keep = generation(KEYS[1]), KEYS[2], ARGV[1]

local known = {}
for i = 2, #ARGV do known[ARGV[i]] = KEYS[1 + i] end

local members = redis.call('ZRANGE', index, 0, -1)
for _, id in ipairs(members) do
  if id ~= keep and not known[id] then
    table.insert(members, 1, 'retry')
    return members
  end
end

local ended = {'ended'}
for _, id in ipairs(members) do
  if id ~= keep then
    redis.call('ZREM', index, id)
    if finish(known[id], current) then ended[#ended + 1] = id end
  end
end

redis.call('ZREMRANGEBYSCORE', index, '-inf', redis.call('TIME')[1])
local longest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
if longest then redis.call('EXPIREAT', index, longest) end
return ended

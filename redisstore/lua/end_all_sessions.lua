-- end_all_sessions ends every session of one user, but for one that is kept.
--
-- KEYS  1 generation, 2 trail, 3 index, then one session hash for each known ID
-- ARGV  1 events that the trail keeps, 2 who ends them, 3 why, 4 the ID of the
--       session that logs itself out, or '', 5 the ID to keep, or '', then the
--       known IDs
-- Reply {'ended', ID ...} of those that this call ended |
--       {'retry', index members ...} where the index holds others than the known
--
-- One step: either all are ended or, with 'retry', none was yet. A login that
-- slips in between two calls is in the index by then, so it is never missed.
local current, index, keep = generation(KEYS[1]), KEYS[3], ARGV[5]
local trail, actor, reason, own = {key = KEYS[2], max = tonumber(ARGV[1])}, ARGV[2], ARGV[3], ARGV[4]

local known = {}
for i = 6, #ARGV do known[ARGV[i]] = KEYS[i - 2] end

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
    if finish(known[id], id, current, trail, actor, id == own and 'logout' or reason) then ended[#ended + 1] = id end
  end
end

redis.call('ZREMRANGEBYSCORE', index, '-inf', redis.call('TIME')[1])
local longest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
if longest then redis.call('EXPIREAT', index, longest) end
return ended

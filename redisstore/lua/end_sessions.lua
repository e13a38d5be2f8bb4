-- end_sessions ends the given sessions of one user.
--
-- KEYS  1 generation, 2 trail, 3 index, then one session hash for each ID
-- ARGV  1 events that the trail keeps, 2 who ends them, 3 why, 4 the ID of the
--       session that logs itself out, or '', then the IDs, each once
-- Reply the IDs that this very call ended
--
-- One step, so that of two calls with the same IDs each session counts for
-- exactly one. An index of the wrong type fails the first command, before
-- anything is deleted.
local current, index = generation(KEYS[1]), KEYS[3]
local trail, actor, reason, own = {key = KEYS[2], max = tonumber(ARGV[1])}, ARGV[2], ARGV[3], ARGV[4]
redis.call('ZREMRANGEBYSCORE', index, '-inf', redis.call('TIME')[1])

local ended = {}
for i = 5, #ARGV do
  local id = ARGV[i]
  redis.call('ZREM', index, id)
  if finish(KEYS[i - 1], id, current, trail, actor, id == own and 'logout' or reason) then ended[#ended + 1] = id end
end

local longest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
if longest then redis.call('EXPIREAT', index, longest) end
return ended

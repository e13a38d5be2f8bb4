-- end_sessions ends the given sessions of one user.
--
-- KEYS  1 generation, 2 index, then one session hash for each ID
-- ARGV  the IDs, each once
-- Reply the IDs that this very call ended
--
-- One step, so that of two calls with the same IDs each session counts for
-- exactly one. An index of the wrong type fails the first command, before
-- anything is deleted.
local current, index = generation(KEYS[1]), KEYS[2]
redis.call('ZREMRANGEBYSCORE', index, '-inf', redis.call('TIME')[1])

local ended = {}
for i, id in ipairs(ARGV) do
  redis.call('ZREM', index, id)
  if finish(KEYS[2 + i], current) then ended[#ended + 1] = id end
end

local longest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
if longest then redis.call('EXPIREAT', index, longest) end
return ended

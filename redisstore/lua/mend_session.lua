-- mend_session makes a session and its index entry agree.
--
-- KEYS  1 index, 2 session hash
-- ARGV  1 session ID, 2 seconds that a session lives unused (0 for as long as any)
-- Reply 'indexed' (a session that the index lacked, or one that lacked its
--       expiry) | 'dropped' (an entry without a session) | 'fine'
--
-- One step, so that a login or an ending that comes between the finding and the
-- mending is not undone: what is decided is what is there now.
local index, key, id, idle = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])

local exp = tonumber(redis.call('HGET', key, 'exp'))
if not exp then
  if redis.call('EXISTS', key) == 1 then return 'fine' end
  return redis.call('ZREM', index, id) == 1 and 'dropped' or 'fine'
end

local score = tonumber(redis.call('ZSCORE', index, id))
if score == exp and redis.call('TTL', key) ~= -1 and redis.call('TTL', index) ~= -1 then
  return 'fine'
end
redis.call('ZADD', index, exp, id)
local now = tonumber(redis.call('TIME')[1])
redis.call('EXPIREAT', key, string.format('%.0f', idle > 0 and math.min(exp, now + idle) or exp))
redis.call('EXPIREAT', index, redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2])
return 'indexed'

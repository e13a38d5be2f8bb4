-- touch_session notes that a session was used.
--
-- KEYS  1 session hash
-- ARGV  1 the least number of milliseconds between two notes, 2 seconds that a
--       session lives unused (0 for as long as any)
-- Reply 1 if it was noted, else 0
--
-- One step with the check that the session exists: a plain HSET that lost the
-- race against a deletion would bring the session back. A session to which an
-- idle timeout left less than its life, before it was switched off, gets it back.
local used = redis.call('HMGET', KEYS[1], 'exp', 'usedAt')
if not used[1] then return 0 end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if used[2] and now - (tonumber(used[2]) or 0) < tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'usedAt', string.format('%.0f', now))
if ARGV[2] == '0' then redis.call('EXPIREAT', KEYS[1], used[1]) end
return 1

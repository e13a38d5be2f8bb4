-- rename_session gives a session another name.
--
-- KEYS  1 generation, 2 session hash
-- ARGV  1 name
-- Reply 1, or 0 where there is no such session
--
-- One step with the check that the session exists: a plain HSET that lost the
-- race against a deletion would bring the session back.
local session = KEYS[2]
if redis.call('HEXISTS', session, 'exp') == 0 or not lives(session, generation(KEYS[1])) then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', session, 'name', ARGV[1], 'updatedAt', string.format('%.0f', now))
return 1

-- sweep_session deletes a session that ended with everybody's.
--
-- KEYS  1 generation, 2 trail, 3 index, 4 session hash
-- ARGV  1 events that the trail keeps, 2 session ID
-- Reply 1 if it ended with the latest generation, 0 if before or if it lives
--
-- One step, so that neither a list nor a login sees half of it.
local current, born = generation(KEYS[1]), bornIn(KEYS[4])
if born < 0 or born >= current then return 0 end
redis.call('ZREM', KEYS[3], ARGV[2])
finish(KEYS[4], ARGV[2], current, {key = KEYS[2], max = tonumber(ARGV[1])})
return born == current - 1 and 1 or 0

-- sweep_session deletes a session that ended with everybody's.
--
-- KEYS  1 generation, 2 index, 3 session hash
-- ARGV  1 session ID
-- Reply 1 if it ended with the latest generation, 0 if before or if it lives
--
-- One step, so that neither a list nor a login sees half of it.
local current, born = generation(KEYS[1]), bornIn(KEYS[3])
if born >= current then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
return born == current - 1 and 1 or 0

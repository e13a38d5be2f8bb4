-- end_everyone ends all sessions of all users, or of those of a cluster's slot.
--
-- KEYS  1 generation
-- Reply the new generation
--
-- One step. INCR takes memory, which Redis may refuse to a script's first write
-- but not to a later one: PERSIST is that first one, so that sessions can be
-- ended when memory is out. The sweep that follows gives some back.
redis.call('PERSIST', KEYS[1])
return redis.call('INCR', KEYS[1])

-- create_user writes an account under an ID that nobody has.
--
-- KEYS  1 user hash
-- ARGV  field, value ...
-- Reply 1, or 0 where the ID is taken
--
-- One step with the check: two accounts made in the same millisecond ask for
-- the same ID.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1

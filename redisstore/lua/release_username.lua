-- release_username gives a user name back.
--
-- KEYS  1 username key
-- ARGV  1 user ID
-- Reply 1, or 0 where the name is not that user's
--
-- One step with the check: the name may have become somebody else's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

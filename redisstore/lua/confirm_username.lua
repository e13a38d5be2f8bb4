-- confirm_username makes a claim last.
--
-- KEYS  1 username key
-- ARGV  1 user ID
-- Reply 1, or 0 where the claim has lapsed
--
-- One step with the check: the name may have become somebody else's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PERSIST', KEYS[1])
return 1

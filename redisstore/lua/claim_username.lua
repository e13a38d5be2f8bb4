-- claim_username takes a user name for an ID, for a while, until it is confirmed.
--
-- KEYS  1 username key
-- ARGV  1 user ID, 2 seconds until an unconfirmed claim lapses, 3 the ID of an
--       account known to be gone, whose claim may be taken over, or '', 4 1 if a
--       claim of that same user ID is the caller's own
-- Reply {'claimed'} | {'held', the holder's ID, 1 if that claim is confirmed}
--
-- A name and its account lie in different slots of a cluster, so they can't be
-- written in one step. A claim that lapses leaves nothing behind if the writer
-- dies half way; one that is confirmed stays with its account.
--
-- A claim of the same ID is not always the caller's own: two accounts added in
-- one millisecond ask for the same ID, and of those with one name only one may
-- go on. An import knows its IDs; cut off and run again, it goes on with its own
-- claim, which must not lapse under it.
local holder = redis.call('GET', KEYS[1])
if holder then
  local confirmed = redis.call('TTL', KEYS[1]) == -1
  if holder == ARGV[1] and ARGV[4] == '1' then
    if not confirmed then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
    return {'claimed'}
  end
  if not confirmed or holder ~= ARGV[3] then
    return {'held', holder, confirmed and 1 or 0}
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return {'claimed'}

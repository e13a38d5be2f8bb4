-- claim_username takes a user name for an ID, for a while, until it is confirmed.
--
-- KEYS  1 username key
-- ARGV  1 user ID, 2 seconds until an unconfirmed claim lapses, 3 the ID of an
--       account known to be gone, whose claim may be taken over, or ''
-- Reply {'claimed'} | {'held', the holder's ID, 1 if that claim is confirmed}
--
-- A name and its account lie in different slots of a cluster, so they can't be
-- written in one step. A claim that lapses leaves nothing behind if the writer
-- dies half way; one that is confirmed stays with its account.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return {'claimed'} end
if holder then
  local confirmed = redis.call('TTL', KEYS[1]) == -1
  if not confirmed or holder ~= ARGV[3] then
    return {'held', holder, confirmed and 1 or 0}
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return {'claimed'}

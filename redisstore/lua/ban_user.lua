-- ban_user shuts a user out, or lets one in again.
--
-- KEYS  1 trail, 2 user hash
-- ARGV  1 events that the trail keeps, 2 'ban' or 'unban', 3 who does it
-- Reply 0 where there is no such account, 1 where it was so already, 2 where it
--       was changed now
--
-- One step with the check: a plain HSET on an account that was just removed
-- would leave a hash that looks like one. An older ban keeps its date.
local trail, user = {key = KEYS[1], max = tonumber(ARGV[1])}, KEYS[2]
local account = redis.call('HMGET', user, 'passwordHash', 'bannedAt')
if not account[1] then return 0 end

local banned = account[2] and true or false
if banned == (ARGV[2] == 'ban') then return 1 end
if banned then
  redis.call('HDEL', user, 'bannedAt')
  note(trail, 'user.unbanned', '', ARGV[3], '')
else
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  redis.call('HSET', user, 'bannedAt', string.format('%.0f', now))
  note(trail, 'user.banned', '', ARGV[3], '')
end
return 2

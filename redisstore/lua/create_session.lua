-- create_session starts one session of a user who is still entitled to it.
--
-- KEYS  1 generation, 2 trail, 3 user hash, 4 index, 5 .. 4+n hashes of the n
--       candidate IDs, then one hash for each known ID
-- ARGV  1 events that the trail keeps, 2 who logs in, 3 seconds to live, 4 seconds
--       to live unused (0 for as long), 5 sessions a user may hold, 6 the password
--       hash that was verified, 7 first candidate ID, 8 n, 9 how many of the next
--       are fields and values of the session's own, these, then the known IDs
-- Reply {'created', ID, exp, ID ... of those ended by the cap} | {'unknown'} |
--       {'changed'} | {'banned'} |
--       {'retry', now in ms, last ID, index members ...}
--
-- One step, because the cap must hold under concurrent logins and because a
-- ban, a removal or a new password that overtook the verification must win.
-- Candidates are consecutive. An ID is never given twice, not even after its
-- session ended, or a revoked token would come back to life: `lastSession`
-- remembers the greatest. 'retry' carries what a next call needs to know, so a
-- first call with neither candidates nor known IDs is how a caller asks.
local trail, user, index = {key = KEYS[2], max = tonumber(ARGV[1])}, KEYS[3], KEYS[4]
local ttl, idle, cap, hash = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local first, n, own = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local current = generation(KEYS[1])
local account = redis.call('HMGET', user, 'passwordHash', 'bannedAt', 'lastSession')
if not account[1] then return {'unknown'} end
if account[1] ~= hash then return {'changed'} end
if account[2] then return {'banned'} end

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(account[3] or '0') or 0

-- Creation order: IDs of the older system are seconds, ours milliseconds.
local function created(id)
  local t = tonumber(id) or 0 -- A member added by hand is the oldest.
  if #id <= 10 then t = t * 1000 end
  return t
end

local function retry()
  local reply = {'retry', string.format('%.0f', now), string.format('%.0f', last)}
  for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do reply[#reply + 1] = id end
  return reply
end

-- The millisecond of now where it is a candidate, else the earliest that is.
local id = math.max(now, last + 1, first)
if id > first + n - 1 then id = math.max(last + 1, first) end
while id <= first + n - 1 and redis.call('EXISTS', KEYS[5 + id - first]) == 1 do id = id + 1 end
if id > first + n - 1 then return retry() end
local key = KEYS[5 + id - first]

local known = {}
for i = 10 + own, #ARGV do known[ARGV[i]] = KEYS[4 + n + i - 9 - own] end

-- The key of a member, or nil. Logins that came in between took IDs among the
-- candidates, so a rush of them does not send each other back again and again.
local function keyOf(member)
  local offset = (tonumber(member) or -1) - first
  if offset >= 0 and offset < n and string.format('%.0f', first + offset) == member then
    return KEYS[5 + offset]
  end
  return known[member]
end

local live, gone = {}, {}
local members = redis.call('ZRANGEBYSCORE', index, '(' .. time[1], '+inf')
if #members >= cap then
  for _, member in ipairs(members) do
    local held = keyOf(member)
    if not held then return retry() end
    if lives(held, current) then
      live[#live + 1] = member
    else
      gone[#gone + 1] = member
    end
  end
  table.sort(live, function(a, b) return created(a) < created(b) end)
end

-- The one command that memory can refuse comes before any other write.
id = string.format('%.0f', id)
local exp = string.format('%.0f', seconds + ttl)
redis.call('HSET', key, 'exp', exp, 'createdAt', id, 'updatedAt', id, unpack(ARGV, 10, 9 + own))
if current > 0 then redis.call('HSET', key, 'gen', string.format('%.0f', current)) end
redis.call('EXPIREAT', key, idle > 0 and string.format('%.0f', seconds + math.min(idle, ttl)) or exp)
redis.call('HSET', user, 'lastSession', id)
redis.call('ZREMRANGEBYSCORE', index, '-inf', time[1])
note(trail, 'session.created', id, ARGV[2], '')
local reply = {'created', id, exp}
for _, member in ipairs(gone) do
  finish(keyOf(member), member, current, trail) -- Of an earlier generation, if it is there.
  redis.call('ZREM', index, member)
end
for i = 1, #live - cap + 1 do
  finish(keyOf(live[i]), live[i], current, trail, ARGV[2], 'cap')
  redis.call('ZREM', index, live[i])
  reply[#reply + 1] = live[i]
end
redis.call('ZADD', index, exp, id)
redis.call('EXPIREAT', index, redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2])
return reply

-- What several scripts know of the trail, a user's own stream of events: see
-- events.go. A script begins it with
--
--   KEYS  the trail
--   ARGV  how many events it keeps (0 for no trail)

-- trailExpiry is how long a trail stays after its last event: 90 days.
local trailExpiry = 90 * 24 * 3600

-- note adds an event. Memory can refuse that as a script's first write alone, so
-- it comes behind another. A trail that can't be written, being of another type,
-- say, keeps no session alive: Redis' log says that an event is missing.
local function note(trail, kind, id, actor, reason)
  if trail.max == 0 then return end
  local added = redis.pcall('XADD', trail.key, 'MAXLEN', '~', trail.max, '*',
    'type', kind, 'session', id, 'actor', actor, 'reason', reason)
  if type(added) == 'table' and added.err then
    redis.log(redis.LOG_WARNING, 'sessiond: ' .. kind .. ' is missing in ' .. trail.key .. ': ' .. added.err)
    return
  end
  redis.call('EXPIRE', trail.key, trailExpiry)
end

-- finish deletes a session, notes why, and tells whether it lived until now. One
-- of an earlier generation had ended with everybody's.
local function finish(session, id, current, trail, actor, reason)
  local born = bornIn(session)
  local lived = born >= current
  redis.call('DEL', session)
  if lived then
    note(trail, 'session.ended', id, actor, reason)
  elseif born >= 0 then
    note(trail, 'session.ended', id, 'operator', 'everyone')
  end
  return lived
end

-- What several scripts know of generations: see generation.go.

-- generation is the value of its key, 0 where there is none. It fails for one that
-- is no number, before its caller has written anything.
local function generation(key)
  return tonumber(redis.call('GET', key) or 0) or error('the generation of sessions is no number')
end

-- bornIn is the generation that a session was born in, -1 for what is none.
local function bornIn(session)
  if redis.call('EXISTS', session) == 0 then return -1 end
  local gen = redis.pcall('HGET', session, 'gen')
  return tonumber(type(gen) == 'string' and gen or 0) or 0
end

-- lives tells whether there is a session of the current generation or a later.
local function lives(session, current)
  if current == 0 then return redis.call('EXISTS', session) == 1 end
  return bornIn(session) >= current
end

-- fence sends something to the replicas and changes nothing.
--
-- KEYS  1 any key
-- Reply 1
--
-- One step: a key must never be seen to expire that does not, or to be there
-- where it is not. Only the last branch takes memory, so that endings work when
-- it is full.
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then
  redis.call('PEXPIRE', KEYS[1], left + 1)
elseif left == -1 then
  redis.call('EXPIRE', KEYS[1], 1000000000)
  redis.call('PERSIST', KEYS[1])
else
  redis.call('SET', KEYS[1], '')
  redis.call('DEL', KEYS[1])
end
return 1

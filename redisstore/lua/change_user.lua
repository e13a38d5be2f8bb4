-- change_user sets or clears one field of an account that exists.
--
-- KEYS  1 user hash
-- ARGV  1 field, 2 value ('' clears it), 3 the value it must have now ('' for any)
-- Reply 1, or 0 where there is no such account or the field holds another value
--
-- One step with the check: a plain HSET on an account that was just removed
-- would leave a hash that looks like one.
if redis.call('HEXISTS', KEYS[1], 'passwordHash') == 0 then return 0 end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then return 0 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return 1

-- Writes down when keys were last used, forward only.
--
-- KEYS  1 PREFIXused
-- ARGV  id and Unix seconds by turns
--
-- Answer: "ok".

for i = 1, #ARGV, 2 do
    local known = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '')

    if not known or known < tonumber(ARGV[i + 1]) then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end

return 'ok'

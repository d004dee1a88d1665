-- Writes down when keys were last used, forward only.
--
-- KEYS  1 PREFIXused
-- ARGV  for each second in which keys were used last: Unix seconds, how many
--       keys, their ids; some hundreds of ids at most
--
-- Answer: "ok".

local first = 1

while first < #ARGV do
    local at, last = ARGV[first], first + 1 + tonumber(ARGV[first + 1])
    local now = tonumber(at)
    local known = redis.call('HMGET', KEYS[1], unpack(ARGV, first + 2, last))
    local changes = {}

    for i = 1, last - first - 1 do
        if (tonumber(known[i] or '') or 0) < now then
            changes[#changes + 1] = ARGV[first + 1 + i]
            changes[#changes + 1] = at
        end
    end

    if #changes > 0 then
        redis.call('HSET', KEYS[1], unpack(changes))
    end

    first = last + 1
end

return 'ok'

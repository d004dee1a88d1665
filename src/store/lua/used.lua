-- Writes down when keys were last used, forward only.
--
-- KEYS  1 PREFIXused
-- ARGV  id and Unix seconds by turns, some hundreds of pairs at most
--
-- Answer: "ok".

local ids, changes = {}, {}

for i = 1, #ARGV, 2 do
    ids[#ids + 1] = ARGV[i]
end

local known = redis.call('HMGET', KEYS[1], unpack(ids))

for i, id in ipairs(ids) do
    local at = ARGV[2 * i]

    if (tonumber(known[i] or '') or 0) < tonumber(at) then
        changes[#changes + 1] = id
        changes[#changes + 1] = at
    end
end

if #changes > 0 then
    redis.call('HSET', KEYS[1], unpack(changes))
end

return 'ok'

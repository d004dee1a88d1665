-- Closes the clear flag of the store and of every listed key, or of one key.
-- Safe to repeat.
--
-- KEYS  1 PREFIXarmed, or PREFIXarmed:ID  2 PREFIXaudit  3 PREFIXarmed-keys
--       4 PREFIXkey:ID, for one key
-- ARGV  1 id, or '' for all  2 who  3 from  4 request id
--       5 PREFIXarmed:, to which the listed ids are added
--
-- Answer: "ok" or "unknown".

local id = ARGV[1]

if id ~= '' and redis.call('EXISTS', KEYS[4]) == 0
   and redis.call('EXISTS', KEYS[1]) == 0
then
    return 'unknown'
end

-- all of them: arm.lua bounds how many there are
local listed = redis.call('ZRANGE', KEYS[3], 0, -1)

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('DEL', KEYS[1])
allowed('ZREM', KEYS[3], '')
allowed('DEL', KEYS[3])

redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', 'who', ARGV[2],
           'action', 'disarm', 'key', id, 'from', ARGV[3],
           'request_id', ARGV[4])
redis.call('DEL', KEYS[1])

if id ~= '' then
    redis.call('ZREM', KEYS[3], id)

else
    for _, other in ipairs(listed) do
        redis.call('DEL', ARGV[5] .. other)
    end

    redis.call('DEL', KEYS[3])
end

return 'ok'

-- Makes a key: a new one, or one that is known already and imported.
--
-- KEYS  1 PREFIXkey:ID  2 PREFIXkeys  3 PREFIXlive  4 PREFIXaudit
--       5 PREFIXkey:ID under the other pepper, where there is one
-- ARGV  1 id  2 action (create, import)  3 who  4 from  5 request id
--       6 the most live keys, 0 is no limit
--       7 lifetime in seconds, or ''  8 end in Unix seconds, or ''
--       9 PREFIXkey:, to find out which live keys are gone
--      10... the record's other fields, name and value by turns
--
-- Answer: {"ok", HGETALL, PTTL}, {"conflict"} or {"too_many_keys"}.

local id, max = ARGV[1], tonumber(ARGV[6])
local gone = {}

if redis.call('EXISTS', KEYS[1]) == 1
   or KEYS[5] and redis.call('EXISTS', KEYS[5]) == 1
then
    return {'conflict'}
end

-- read both sets now: a wrong type must show before the first write
redis.call('ZCARD', KEYS[2])
local live = redis.call('ZCARD', KEYS[3])

if max > 0 and live >= max then
    -- an operator may have deleted or revoked some by hand; the oldest go
    -- first, and 1,000 at a time keep the script short
    for _, other in ipairs(redis.call('ZRANGE', KEYS[3], 0, 999)) do
        local key = ARGV[9] .. other

        if redis.call('EXISTS', key) == 0
           or redis.call('TYPE', key).ok == 'hash'
              and redis.call('HGET', key, 'state') == 'revoked'
        then
            gone[#gone + 1] = other
        end
    end

    if live - #gone >= max then
        return {'too_many_keys'}
    end
end

local time = redis.call('TIME')
local now = tonumber(time[1])
local ms = string.format('%.0f', now * 1000 + math.floor(time[2] / 1000))

local fields = {'created_at', string.format('%.0f', now)}

if ARGV[7] ~= '' then
    fields[3] = 'expires_at'
    fields[4] = string.format('%.0f', now + tonumber(ARGV[7]))

elseif ARGV[8] ~= '' then
    fields[3] = 'expires_at'
    fields[4] = ARGV[8]
end

for i = 10, #ARGV do
    fields[#fields + 1] = ARGV[i]
end

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('HSET', KEYS[1], '', '')
allowed('ZADD', KEYS[2], 0, '')
allowed('ZADD', KEYS[3], 0, '')

redis.call('XADD', KEYS[4], 'MAXLEN', '~', '10000', '*', 'who', ARGV[3],
           'action', ARGV[2], 'key', id, 'from', ARGV[4],
           'request_id', ARGV[5])

if #gone > 0 then
    redis.call('ZREM', KEYS[3], unpack(gone))
end

redis.call('HSET', KEYS[1], unpack(fields))
redis.call('ZADD', KEYS[2], ms, id)
redis.call('ZADD', KEYS[3], ms, id)

return {'ok', redis.call('HGETALL', KEYS[1]), redis.call('PTTL', KEYS[1])}

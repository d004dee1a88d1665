-- Lets one clear operation through, if the key is good and a flag is set: the
-- key's own first, then the store's.  Takes the use, or only looks.
--
-- KEYS  1 PREFIXkey:ID  2 PREFIXarmed:ID  3 PREFIXarmed  4 PREFIXaudit
--       5 PREFIXarmed-keys
-- ARGV  1 id  2 digest  3 from  4 request id
--       5 "take", or "look": whether it would be "ok"; nothing is written
--
-- Answer: "ok", "not_armed", "unknown", "revoked", "disabled" or "expired".
-- An error for whatever is not as it should be.

local DAY = 86400 * 1000

if redis.call('EXISTS', KEYS[1]) == 0 then
    return 'unknown'
end

local key = redis.call('HMGET', KEYS[1], 'digest', 'name', 'state',
                       'created_at', 'expires_at')
local digest, name, state, created, ends = unpack(key)

if not digest or not name or not created
   or ends and not string.match(ends, '^%d+$')
   or state ~= 'active' and state ~= 'disabled' and state ~= 'revoked'
then
    error('a malformed record')
end

if digest ~= ARGV[2] then
    return 'unknown'
end

if state ~= 'active' then
    return state
end

if ends and tonumber(ends) <= tonumber(redis.call('TIME')[1])
   or redis.call('PTTL', KEYS[1]) == 0
then
    return 'expired'
end

-- The value of a flag that is set, and how many uses it has left, if counted.

local function flag(key)
    local value = redis.call('GET', key)
    local ttl = redis.call('PTTL', key)

    -- one that would stay for ever was not set by someone who knew
    if not value or ttl <= 0 or ttl > DAY then
        return nil
    end

    if string.sub(value, 1, 5) ~= 'uses:' then
        return value
    end

    local digits = string.match(value, '^uses:(%d+)$')

    if not digits or #digits > 15 or tonumber(digits) < 1 then
        return nil
    end

    return value, tonumber(digits)
end

local armed = KEYS[2]
local value, uses = flag(armed)

if not value then
    armed = KEYS[3]
    value, uses = flag(armed)
end

if not value then
    return 'not_armed'
end

if ARGV[5] == 'look' then
    return 'ok'
end

redis.call('ZCARD', KEYS[5])           -- a wrong type must show here

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('SET', armed, '', 'KEEPTTL')
allowed('DEL', armed)
allowed('ZREM', KEYS[5], '')

-- before the use is taken: what is not written down does not happen
redis.call('XADD', KEYS[4], 'MAXLEN', '~', '10000', '*', 'who', ARGV[1],
           'action', 'clear', 'key', ARGV[1], 'from', ARGV[3],
           'request_id', ARGV[4])

if uses and uses > 1 then
    redis.call('SET', armed, string.format('uses:%.0f', uses - 1), 'KEEPTTL')

elseif uses then
    redis.call('DEL', armed)

    if armed == KEYS[2] then
        redis.call('ZREM', KEYS[5], ARGV[1])
    end
end

return 'ok'

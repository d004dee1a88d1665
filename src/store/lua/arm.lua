-- Sets the clear flag of the store, or of one key, in the place of what was
-- there.
--
-- KEYS  1 PREFIXarmed, or PREFIXarmed:ID  2 PREFIXaudit  3 PREFIXarmed-keys
--       4 PREFIXkey:ID, for one key
-- ARGV  1 id, or '' for the store  2 who  3 from  4 request id
--       5 seconds  6 the flag's value  7 the most keys with a flag
--       8 Unix seconds by the gate's clock
--
-- PREFIXarmed-keys is scored by the flags' ends in Unix seconds.
--
-- Answer: "ok", "unknown", "conflict" for a key that does not work, or
-- "too_many" keys with a flag of their own.

local id, ttl = ARGV[1], tonumber(ARGV[5])
local now = tonumber(redis.call('TIME')[1])

redis.call('ZCARD', KEYS[3])           -- a wrong type must show here

if id ~= '' then
    if redis.call('EXISTS', KEYS[4]) == 0 then
        return 'unknown'
    end

    local key = redis.call('HMGET', KEYS[4], 'state', 'expires_at')

    if key[1] ~= 'active' and key[1] ~= 'disabled' and key[1] ~= 'revoked'
       or key[2] and not string.match(key[2], '^%d+$')
    then
        error('a malformed record')
    end

    if key[1] ~= 'active'
       or key[2] and tonumber(key[2]) <= math.max(now, tonumber(ARGV[8]))
    then
        return 'conflict'
    end

    if redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf') >= tonumber(ARGV[7])
       and not redis.call('ZSCORE', KEYS[3], id)
    then
        return 'too_many'
    end
end

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('SET', KEYS[1], '', 'EX', ttl)
allowed('ZREMRANGEBYSCORE', KEYS[3], 0, 0)
allowed('ZADD', KEYS[3], 0, '')

redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', 'who', ARGV[2],
           'action', 'arm', 'key', id, 'from', ARGV[3],
           'request_id', ARGV[4])
redis.call('SET', KEYS[1], ARGV[6], 'EX', ttl)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)

if id ~= '' then
    redis.call('ZADD', KEYS[3], now + ttl, id)
end

return 'ok'

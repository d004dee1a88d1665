-- Revokes a key for good and closes its own flag.  The record stays for 30
-- days, so that the log can name a later use.  Safe to repeat.
--
-- KEYS  1 PREFIXkey:ID  2 PREFIXlive  3 PREFIXaudit  4 PREFIXarmed:ID
--       5 PREFIXarmed-keys
-- ARGV  1 id  2 who  3 from  4 request id
--
-- Answer: "ok" or "unknown".

local TOMBSTONE = 30 * 86400

if redis.call('EXISTS', KEYS[1]) == 0 then
    return 'unknown'
end

-- wrong types must show before the first write
local state = redis.call('HGET', KEYS[1], 'state')
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[5])

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('HSET', KEYS[1], '', '')
allowed('EXPIRE', KEYS[1], 0)
allowed('ZREM', KEYS[2], '')
allowed('DEL', KEYS[4])
allowed('ZREM', KEYS[5], '')

if state ~= 'revoked' then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', '10000', '*', 'who', ARGV[2],
               'action', 'revoke', 'key', ARGV[1], 'from', ARGV[3],
               'request_id', ARGV[4])
    redis.call('HSET', KEYS[1], 'state', 'revoked')
    redis.call('EXPIRE', KEYS[1], TOMBSTONE)

elseif redis.call('TTL', KEYS[1]) == -1 then
    -- revoked by hand
    redis.call('EXPIRE', KEYS[1], TOMBSTONE)
end

redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[4])
redis.call('ZREM', KEYS[5], ARGV[1])

return 'ok'

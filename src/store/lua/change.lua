-- Changes fields of a key, all or nothing.  What is not named stays as it is,
-- so parallel changes of different fields are all kept.
--
-- KEYS  1 PREFIXkey:ID  2 PREFIXaudit
-- ARGV  1 id  2 who  3 from  4 request id
--       5 expiry: '' as it is, "none", "in" or "at"
--       6 its seconds from now, or its Unix seconds
--       7 max_ttl in seconds, 0 is none
--       8 "meta" when all metadata is replaced, else ''
--       9... field and new value by turns; an empty value removes the field,
--         unless it is metadata
--
-- Answer: {"ok", HGETALL, PTTL}, {"unknown"}, {"too_long"} for an end beyond
-- max_ttl, or {"conflict"} for a revoked key, and for one that has a successor
-- and would live longer.

if redis.call('EXISTS', KEYS[1]) == 0 then
    return {'unknown'}
end

local fields = redis.call('HGETALL', KEYS[1])
local old = {}

for i = 1, #fields, 2 do
    old[fields[i]] = fields[i + 1]
end

local function seconds(text)
    return tonumber(string.match(text or '', '^%d+$')
                    or error('a malformed record'))
end

local created = seconds(old.created_at)
local ends = old.expires_at and seconds(old.expires_at) or math.huge

if old.state == 'revoked' then
    return {'conflict'}
end

if not old.digest or not old.name
   or old.state ~= 'active' and old.state ~= 'disabled'
then
    error('a malformed record')
end

local last

if ARGV[5] == 'none' then
    last = math.huge

elseif ARGV[5] == 'in' then
    last = tonumber(redis.call('TIME')[1]) + tonumber(ARGV[6])

elseif ARGV[5] == 'at' then
    last = tonumber(ARGV[6])
end

if last then
    local max = tonumber(ARGV[7])

    if max > 0 and last > created + max then
        return {'too_long'}
    end

    -- a key that was rotated out is not brought back beside its successor
    if old.replaced_by and last > ends then
        return {'conflict'}
    end
end

local set, del = {}, {}

for i = 9, #ARGV, 2 do
    if ARGV[i + 1] == '' and string.sub(ARGV[i], 1, 5) ~= 'meta:' then
        del[#del + 1] = ARGV[i]
    else
        set[#set + 1] = ARGV[i]
        set[#set + 1] = ARGV[i + 1]
    end
end

if ARGV[8] == 'meta' then
    for name in pairs(old) do
        if string.sub(name, 1, 5) == 'meta:' then
            del[#del + 1] = name
        end
    end
end

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('HSET', KEYS[1], '', '')
allowed('HDEL', KEYS[1], '')
allowed('PERSIST', KEYS[1])

redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', 'who', ARGV[2],
           'action', 'change', 'key', ARGV[1], 'from', ARGV[3],
           'request_id', ARGV[4])

for _, name in ipairs(del) do
    redis.call('HDEL', KEYS[1], name)
end

if last == math.huge then
    redis.call('HDEL', KEYS[1], 'expires_at')

elseif last then
    redis.call('HSET', KEYS[1], 'expires_at', string.format('%.0f', last))
end

if last then
    -- an end that an operator gave the Redis key is replaced as well
    redis.call('PERSIST', KEYS[1])
end

-- after the removals: metadata that is there again is in both lists
if #set > 0 then
    redis.call('HSET', KEYS[1], unpack(set))
end

return {'ok', redis.call('HGETALL', KEYS[1]), redis.call('PTTL', KEYS[1])}

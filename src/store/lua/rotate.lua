-- Makes the successor of a key, with the same rights and a fresh lifetime as
-- long as the old one's, and gives the old one an end.
--
-- KEYS  1 PREFIXkey:OLD  2 PREFIXkey:NEW  3 PREFIXkeys  4 PREFIXlive
--       5 PREFIXaudit  6 PREFIXarmed:OLD  7 PREFIXarmed-keys
-- ARGV  1 old id  2 who  3 from  4 request id
--       5 new id  6 new digest  7 its pepper's id, or '' for none
--       8 grace in seconds  9 default_ttl and 10 max_ttl in seconds, 0 is none
--      11 Unix seconds by the gate's clock
--
-- Answer: {"ok", HGETALL of the new key, PTTL of it}, {"unknown"}, or
-- {"conflict"} for a key that is revoked, disabled, expired or rotated.

if redis.call('EXISTS', KEYS[1]) == 0 then
    return {'unknown'}
end

local fields = redis.call('HGETALL', KEYS[1])
local old = {}

for i = 1, #fields, 2 do
    old[fields[i]] = fields[i + 1]
end

-- wrong types must show before the first write
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[4])
redis.call('ZCARD', KEYS[7])

local function seconds(text)
    return tonumber(string.match(text or '', '^%d+$')
                    or error('a malformed record'))
end

local time = redis.call('TIME')
local now = tonumber(time[1])
local ms = string.format('%.0f', now * 1000 + math.floor(time[2] / 1000))

local created = seconds(old.created_at)
local ends = old.expires_at and seconds(old.expires_at)
local ttl = redis.call('PTTL', KEYS[1])

if ttl >= 0 then
    ends = math.min(ends or math.huge, now + math.ceil(ttl / 1000))
end

if old.state ~= 'active' and old.state ~= 'disabled'
   and old.state ~= 'revoked' or not old.name
then
    error('a malformed record')
end

-- where the clocks differ, a key that has ended by one of them has ended
if old.state ~= 'active' or old.replaced_by
   or ends and ends <= math.max(now, tonumber(ARGV[11]))
   or redis.call('EXISTS', KEYS[2]) == 1
then
    return {'conflict'}
end

local life, max = tonumber(ARGV[9]), tonumber(ARGV[10])

if ends then
    life = math.max(ends - created, 1)
end

if max > 0 and (life == 0 or life > max) then
    life = max
end

local new = {
    'digest', ARGV[6],
    'name', old.name,
    'state', 'active',
    'created_at', string.format('%.0f', now),
    'replaces', ARGV[1]
}

local function add(name, value)
    new[#new + 1] = name
    new[#new + 1] = value
end

if ARGV[7] ~= '' then
    add('pepper', ARGV[7])
end

if life > 0 then
    -- the end of the year 9999 is the last time that can be written
    add('expires_at', string.format('%.0f',
                                    math.min(now + life, 253402300799)))
end

for i = 1, #fields, 2 do
    local name = fields[i]

    if name == 'scopes' or name == 'allow_from' or name == 'rate'
       or string.sub(name, 1, 5) == 'meta:'
    then
        add(name, fields[i + 1])
    end
end

-- the earlier clock, so that a grace of 0 ends the old key for both
local last = math.min(now, tonumber(ARGV[11])) + tonumber(ARGV[8])

if ends and ends < last then
    last = ends
end

-- before the first write: whoever may not do all shall not do half
local function allowed(...)
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        error('NOPERM ' .. (...))
    end
end

allowed('HSET', KEYS[1], '', '')
allowed('HSET', KEYS[2], '', '')
allowed('ZADD', KEYS[3], 0, '')
allowed('ZADD', KEYS[4], 0, '')
allowed('DEL', KEYS[6])
allowed('ZREM', KEYS[7], '')

redis.call('XADD', KEYS[5], 'MAXLEN', '~', '10000', '*', 'who', ARGV[2],
           'action', 'rotate', 'key', ARGV[1], 'from', ARGV[3],
           'request_id', ARGV[4])
redis.call('HSET', KEYS[2], unpack(new))
redis.call('ZADD', KEYS[3], ms, ARGV[5])
redis.call('ZADD', KEYS[4], ms, ARGV[5])
redis.call('HSET', KEYS[1], 'replaced_by', ARGV[5],
           'expires_at', string.format('%.0f', last))
redis.call('DEL', KEYS[6])
redis.call('ZREM', KEYS[7], ARGV[1])

return {'ok', redis.call('HGETALL', KEYS[2]), redis.call('PTTL', KEYS[2])}

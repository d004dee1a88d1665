-- One page of ids, newest first.  Ids whose record is gone are left out and
-- taken off the list.
--
-- KEYS  1 PREFIXkeys  2 PREFIXlive
-- ARGV  1 PREFIXkey:  2 how many at most
--       3 score and 4 id of the last one of the page before, or ''
--
-- Answer: {more (0, 1), last score, last id, id, id, ...}; the last one looked
-- at may be one that is gone.

local keys, count = KEYS[1], tonumber(ARGV[2])
local score, last = ARGV[3], ARGV[4]
local start = 0

if last ~= '' then
    local rank = redis.call('ZREVRANK', keys, last)

    if rank then
        start = rank + 1

    else
        -- it has gone since: behind all that came before it
        start = redis.call('ZCOUNT', keys, '(' .. score, '+inf')

        for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', keys, score, score,
                                       'LIMIT', 0, 1000))
        do
            if id <= last then
                break
            end

            start = start + 1
        end
    end
end

local page = redis.call('ZREVRANGE', keys, start, start + count - 1,
                        'WITHSCORES')
local more = redis.call('ZCARD', keys) > start + #page / 2
local answer = {more and 1 or 0, '', ''}

for i = 1, #page, 2 do
    local id = page[i]

    if redis.call('EXISTS', ARGV[1] .. id) == 1 then
        answer[#answer + 1] = id
    else
        -- a replica cannot forget it, and need not
        redis.pcall('ZREM', keys, id)
        redis.pcall('ZREM', KEYS[2], id)
    end

    answer[2] = string.format('%.0f', tonumber(page[i + 1]))
    answer[3] = id
end

return answer

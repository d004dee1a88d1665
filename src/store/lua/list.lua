-- One page of ids, newest first.  Ids whose record is gone are left out and
-- taken off the list.
--
-- KEYS  1 PREFIXkeys  2 PREFIXlive  3 PREFIXused
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
        -- it has gone since: behind all that came before it; those of the same
        -- score may be many, and are sorted
        start = redis.call('ZCOUNT', keys, '(' .. score, '+inf')

        local stop = start + redis.call('ZCOUNT', keys, score, score)

        while start < stop do
            local middle = math.floor((start + stop) / 2)
            local id = redis.call('ZREVRANGE', keys, middle, middle)[1]

            if id > last then
                start = middle + 1
            else
                stop = middle
            end
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
        redis.pcall('HDEL', KEYS[3], id)
    end

    answer[2] = string.format('%.0f', tonumber(page[i + 1]))
    answer[3] = id
end

return answer

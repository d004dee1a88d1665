-- One page of the audit, newest first.  What is answered is bounded, whatever
-- the stream holds: of an entry that cannot be one of ours only the id is
-- told.
--
-- KEYS  1 PREFIXaudit
-- ARGV  1 how many at most
--       2 id of the last one of the page before, or ''
--
-- Answer: {more (0, 1), entry, entry, ...} with entries of {id, who, action,
-- key or '', from, request_id} or {id}.

local LONGEST = 256                    -- bytes of a value

local count = tonumber(ARGV[1])
local last = ARGV[2] == '' and '+' or '(' .. ARGV[2]

-- one more than asked for tells whether there are more
local page = redis.call('XREVRANGE', KEYS[1], last, '-', 'COUNT', count + 1)
local answer = {#page > count and 1 or 0}

for i = 1, math.min(#page, count) do
    local id, fields = page[i][1], page[i][2]
    local entry, sound = {key = ''}, true

    for j = 1, #fields, 2 do
        local name, value = fields[j], fields[j + 1]

        sound = sound and #value <= LONGEST
                and (not entry[name] or name == 'key' and entry.key == '')
        entry[name] = value
    end

    if sound and entry.who and entry.action and entry.from
       and entry.request_id
    then
        answer[i + 1] = {id, entry.who, entry.action, entry.key, entry.from,
                         entry.request_id}
    else
        answer[i + 1] = {id}
    end
end

return answer

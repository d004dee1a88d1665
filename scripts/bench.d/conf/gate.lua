-- A gate as one writes it in Lua: the key's SHA-256, its record from Redis
-- over a kept connection, the full digest and the state compared.

local redis = require "nginx.redis"
local sha256 = require "nginx.sha256"
local to_hex = require("nginx.string").to_hex

local dict = ngx.shared.keys
local gate = {}


local function lookup(port, prefix, digest)
    local r = redis:new()
    r:set_timeout(1000)

    local ok, err = r:connect("127.0.0.1", port)
    if not ok then
        return nil, err
    end

    local record
    record, err = r:hgetall(prefix .. "key:" .. digest:sub(1, 20))
    if not record then
        return nil, err
    end

    r:set_keepalive(3600000, 256)

    local field = {}
    for i = 1, #record, 2 do
        field[record[i]] = record[i + 1]
    end

    return field.digest == digest and field.state == "active"
end


-- cache: seconds, 0 is none

function gate.check(port, prefix, cache)
    local key = ngx.var.http_x_api_key
    if not key then
        return ngx.exit(401)
    end

    local hash = sha256:new()
    hash:update(key)

    local digest = to_hex(hash:final())
    local good, err

    if cache > 0 then
        good = dict:get(digest)
    end

    if good == nil then
        good, err = lookup(port, prefix, digest)

        if good == nil then
            ngx.log(ngx.ERR, "redis: ", err)
            return ngx.exit(503)
        end

        if cache > 0 then
            dict:set(digest, good, cache)
        end
    end

    if not good then
        return ngx.exit(401)
    end
end


return gate

-- What the scripts share; it stands before each of them.

local function clock()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function whole(number)
    return string.format('%.0f', number)
end

-- Where a channel stands. A channel without a memory begins anew, with an epoch that never was.
local function standing(meta, stream, now)
    local found = redis.call('HMGET', meta, 'epoch', 'offset', 'server', 'jump', 'before')
    if not (found[1] and found[2]) then
        redis.call('DEL', meta, stream)
        found = {string.format('%x', now), '0', false, false, false}
        redis.call('HSET', meta, 'epoch', found[1], 'offset', '0')
    end
    return {
        epoch = found[1],
        offset = tonumber(found[2]),
        server = found[3],
        jump = tonumber(found[4] or 0),
        before = tonumber(found[5] or -1),
    }
end

-- Drop what is older than the history's time; entries begin with their time in milliseconds.
local function forget(stream, now, ttl, at_most)
    for _ = 1, at_most do
        local oldest = redis.call('LINDEX', stream, 0)
        if not oldest or tonumber(string.match(oldest, '^%d+') or 0) > now / 1000 - ttl then
            return
        end
        redis.call('LPOP', stream)
    end
end

-- Take one connection from a user; tell of the leave when it was the last.
local function drop(users, infos, counts, command, bus, user)
    if redis.call('HINCRBY', counts, user, -1) > 0 then
        return
    end
    local info = redis.call('HGET', infos, user) or 'null'
    redis.call('HDEL', counts, user)
    redis.call('HDEL', infos, user)
    redis.call('ZREM', users, user)
    redis.call(command, bus, '-' .. whole(clock()) .. ' [' .. cjson.encode(user) .. ',' .. info .. ']')
end

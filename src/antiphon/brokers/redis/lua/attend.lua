-- Note who comes and goes in a channel.
--
-- KEYS: users, infos, counts, bus, leases, the channels that the hub holds, what it holds in this one
-- ARGV: how to publish, hub, channel; then for each change connection, user, info (empty: it goes)
-- Returns 0 and does nothing if the hub has no lease (any more), else 1.

local users, infos, counts, bus, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[7]
local command, hub = ARGV[1], ARGV[2]

if not redis.call('ZSCORE', KEYS[5], hub) then
    return 0
end
for at = 4, #ARGV, 3 do
    local connection, user, info = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local place = connection .. ' ' .. user
    if info == '' then
        if redis.call('HDEL', held, place) == 1 then
            drop(users, infos, counts, command, bus, user)
        end
    else
        redis.call('HSET', infos, user, info)
        if redis.call('HSETNX', held, place, user) == 1 and redis.call('HINCRBY', counts, user, 1) == 1 then
            redis.call('ZADD', users, 0, user)
            redis.call(command, bus, '+' .. whole(clock()) .. ' [' .. cjson.encode(user) .. ',' .. info .. ']')
        end
    end
end
if redis.call('EXISTS', held) == 1 then
    redis.call('SADD', KEYS[6], ARGV[3])
else
    redis.call('SREM', KEYS[6], ARGV[3])
end
return 1

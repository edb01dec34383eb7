-- Read a part of a channel's members, by user.
--
-- KEYS: users, infos, counts
-- ARGV: limit, and the user after whom to begin
-- Returns the number of all, 1 if there are more, then for each user, info and number of connections.

local limit = tonumber(ARGV[1])
local from = ARGV[2] and '(' .. ARGV[2] or '-'
local users = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, limit + 1)
local more = 0
if #users > limit then
    table.remove(users)
    more = 1
end
local found = {redis.call('ZCARD', KEYS[1]), more}
-- unpack() takes some thousand at most.
for first = 1, #users, 1000 do
    local last = math.min(first + 999, #users)
    local infos = redis.call('HMGET', KEYS[2], unpack(users, first, last))
    local counts = redis.call('HMGET', KEYS[3], unpack(users, first, last))
    for at = first, last do
        found[#found + 1] = users[at]
        found[#found + 1] = infos[at - first + 1]
        found[#found + 1] = counts[at - first + 1]
    end
end
return found

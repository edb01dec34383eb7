-- Take from a channel a part of what a dead hub held there, so that Redis is not stopped for long.
--
-- KEYS: users, infos, counts, bus, dead, the channels that the hub holds, what it holds in this one
-- ARGV: how to publish, hub, channel, how many connections about
-- Returns 1 while there is more.

local held = KEYS[7]
local found = redis.call('HSCAN', held, 0, 'COUNT', ARGV[4])[2]
for at = 1, #found, 2 do
    redis.call('HDEL', held, found[at])
    drop(KEYS[1], KEYS[2], KEYS[3], ARGV[1], KEYS[4], found[at + 1])
end
if redis.call('EXISTS', held) == 1 then
    return 1
end
redis.call('SREM', KEYS[6], ARGV[3])
return 0

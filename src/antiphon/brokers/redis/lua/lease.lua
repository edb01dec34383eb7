-- Renew a hub's lease, and find the hubs whose lease has run out.
--
-- KEYS: leases, dead
-- ARGV: hub, milliseconds of a lease, 1 if the hub takes it for the first time, 1 if others may be declared dead
-- Returns 1 if the hub has its lease, milliseconds until the next one runs out, the dead hubs.

local leases, dead, hub = KEYS[1], KEYS[2], ARGV[1]
local now = math.floor(clock() / 1000)
local has = 0
if ARGV[3] == '1' or redis.call('ZSCORE', leases, hub) then
    redis.call('ZADD', leases, whole(now + ARGV[2]), hub)
    has = 1
end
local remaining = tonumber(ARGV[2])
if ARGV[4] == '1' then
    -- Who is dead stays so: a hub that comes back takes another name, so that nothing is swept from under it.
    for _, late in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', whole(now))) do
        redis.call('ZREM', leases, late)
        redis.call('SADD', dead, late)
    end
    local next = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
    if next[2] then
        remaining = tonumber(next[2]) - now
    end
end
return {has, remaining, redis.call('SMEMBERS', dead)}

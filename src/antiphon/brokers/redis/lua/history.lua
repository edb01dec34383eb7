-- Read a channel's history, and where it stands.
--
-- KEYS: meta, stream
-- ARGV: size, ttl, milliseconds that meta is kept, limit (-1: none), and to read since a position: its offset
--       and epoch
-- Returns epoch, offset, jump, before (see publish.lua), 1 if it is complete, the number of publications that
-- come after the first of the entries, the entries.

-- Milliseconds: much longer than it takes until whoever is subscribed looks again.
local NEW = 600000

local size, ttl, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local now = clock()
local stands = standing(KEYS[1], KEYS[2], now)
-- Where nothing was ever published there is less to lose, and clients may think of any number of names.
redis.call('PEXPIRE', KEYS[1], stands.offset > 0 and ARGV[3] or whole(math.max(2 * ttl, NEW)))
redis.call('LTRIM', KEYS[2], -size, -1)
forget(KEYS[2], now, ttl, size)
local kept = redis.call('LLEN', KEYS[2])

local wanted, complete = kept, 1
if ARGV[5] then
    local since = tonumber(ARGV[5])
    if since >= stands.jump then
        wanted = stands.offset - since
    elseif since <= stands.before then
        wanted = stands.offset - stands.jump + 1 + stands.before - since
    else
        complete = 0
    end
    if ARGV[6] ~= stands.epoch or wanted < 0 or wanted > kept then
        complete = 0
    end
elseif limit >= 0 and limit < kept then
    wanted = limit
end

local entries = {}
if complete == 1 and wanted > 0 and limit ~= 0 then
    local last = -1
    if limit > 0 and limit < wanted then
        last = limit - wanted - 1
    end
    entries = redis.call('LRANGE', KEYS[2], -wanted, last)
end
return {
    stands.epoch, whole(stands.offset), whole(stands.jump), whole(stands.before), complete, wanted - 1, entries,
}

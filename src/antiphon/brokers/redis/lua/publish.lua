-- Publish: give an offset, append to the history, send to the subscribers; each id once.
--
-- KEYS: meta, stream, bus, and the id's, if the publication has one
-- ARGV: how to publish, the packed publication, the server's name, size (0: no history), ttl,
--       milliseconds that meta is kept, milliseconds that the id is remembered
-- Returns the position as text, empty where there is no history.
--
-- A server that was restarted, or has taken over from another, may lack the last publications that the one
-- before it gave offsets to. So the first publication on a server of another name leaves out more offsets
-- than can have been lost, and names the one before it: no offset is ever given twice in an epoch, and who
-- has seen what was lost can tell.

local JUMP = 1000000000

local command, packed, server = ARGV[1], ARGV[2], ARGV[3]
local size, ttl = tonumber(ARGV[4]), tonumber(ARGV[5])

if KEYS[4] then
    local first = redis.call('GET', KEYS[4])
    if first then
        return first
    end
end

local position, message = '', packed
if size > 0 then
    local now = clock()
    local stands = standing(KEYS[1], KEYS[2], now)
    local previous, offset = stands.offset, stands.offset + 1
    if stands.server ~= server then
        if stands.server then
            -- A history has one gap at most: what is before an earlier one goes.
            if stands.jump > 0 then
                redis.call('LTRIM', KEYS[2], whole(stands.jump - stands.offset - 1), -1)
            end
            offset = offset + JUMP
            redis.call('HSET', KEYS[1], 'jump', whole(offset), 'before', whole(previous))
        end
        redis.call('HSET', KEYS[1], 'server', server)
    end
    redis.call('HSET', KEYS[1], 'offset', whole(offset))
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
    if redis.call('RPUSH', KEYS[2], whole(now / 1000) .. ' ' .. packed) > size then
        redis.call('LTRIM', KEYS[2], -size, -1)
    end
    redis.call('PEXPIRE', KEYS[2], ttl)
    if offset % 16 == 0 then
        forget(KEYS[2], now, ttl, 32)
    end
    position = whole(offset) .. '.' .. stands.epoch
    message = whole(previous) .. ' ' .. position .. ' ' .. packed
end
if KEYS[4] then
    redis.call('SET', KEYS[4], position, 'PX', ARGV[7])
end
redis.call(command, KEYS[3], message)
return position

-- Put in front of every script. A scope has four keys, all with one hash tag:
--   users    SET   of user ids that are here: what readers read
--   leases   ZSET  "user:connection" scored by when it ends, in milliseconds
--   counts   HASH  user id -> how many leases
--   version  counter of the changes of `users`
-- Time is Redis's own, so processes whose clocks differ agree.
local users, leases, counts, version = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local keep_empty = 600000 -- milliseconds that an empty scope's version is kept
local keep_after = 2000 -- and a scope after its last lease: time for somebody to announce its end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local microseconds = clock[1] * 1000000 + clock[2] -- exact in Lua, and in JavaScript, until 2255
local changes = {}

local function change(kind, user)
    -- Begins at the time, so that it is higher than before even when Redis was emptied: there is
    -- less than one change a microsecond.
    redis.call('SET', version, string.format('%.0f', microseconds), 'NX')
    local v = redis.call('INCR', version)
    changes[#changes + 1] = {kind, user, v, redis.call('SCARD', users)}
end

local function hold(member, user, milliseconds)
    if redis.call('ZADD', leases, now + milliseconds, member) == 1 then
        redis.call('HINCRBY', counts, user, 1)
        if redis.call('SADD', users, user) == 1 then change('joined', user) end
    end
end

local function drop(member)
    if redis.call('ZREM', leases, member) == 0 then return end
    local user = string.match(member, '^([^:]*):')
    if redis.call('HINCRBY', counts, user, -1) <= 0 then
        redis.call('HDEL', counts, user)
        if redis.call('SREM', users, user) == 1 then change('left', user) end
    end
end

local function reap()
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 1000)) do
        drop(member)
    end
end

-- An error where it is no number: the reply would end there.
local function version_now()
    return (assert(tonumber(redis.call('GET', version) or 0), 'the version is no number'))
end

-- Returns the changes, the version, how many are here, and in how many milliseconds the next lease ends (-1: none).
local function done()
    local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2]
    local last = redis.call('ZRANGE', leases, -1, -1, 'WITHSCORES')[2]
    -- Where nobody is left to end leases they go by themselves, and the version goes with them:
    -- the next one is far from it, so that whoever had followed the scope sees a hole.
    local keep = last and math.max(0, last - now) + keep_after or keep_empty
    for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, keep) end
    local ends = first and math.max(0, first - now) or -1
    return {changes, version_now(), redis.call('SCARD', users), ends}
end

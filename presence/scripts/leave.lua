-- ARGV: grace (ms), members... A lease that is left ends after the grace, unless it ended before:
-- a reload or a flicker of the network takes a new lease in that time, and nobody sees it.
local ends = now + tonumber(ARGV[1])
for n = 2, #ARGV do
    local score = redis.call('ZSCORE', leases, ARGV[n])
    if score and tonumber(score) > ends then redis.call('ZADD', leases, ends, ARGV[n]) end
end
reap()
return done()

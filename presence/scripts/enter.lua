-- ARGV: lease (ms), members... Also returns how many leases each member's user has. What others
-- left behind ends here too, after: whoever comes back in that moment has never been away.
local users_of = {}
for n = 2, #ARGV do
    users_of[n - 1] = string.match(ARGV[n], '^([^:]*):')
    hold(ARGV[n], users_of[n - 1], tonumber(ARGV[1]))
end
reap()
local leases_of = {}
for n, user in ipairs(users_of) do leases_of[n] = tonumber(redis.call('HGET', counts, user)) end
local outcome = done()
outcome[4] = leases_of
return outcome

-- ARGV: lease (ms), members... Returns the changes, and how many leases each member's user has.
local users_of = {}
for n = 2, #ARGV do
    users_of[n - 1] = string.match(ARGV[n], '^([^:]*):')
    hold(ARGV[n], users_of[n - 1], tonumber(ARGV[1]))
end
local leases_of = {}
for n, user in ipairs(users_of) do leases_of[n] = tonumber(redis.call('HGET', counts, user)) end
return {done(), leases_of}

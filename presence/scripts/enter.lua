-- ARGV: user, member, lease (ms). Returns the changes, and how many leases the user has here.
hold(ARGV[2], ARGV[1], tonumber(ARGV[3]))
return {done(), tonumber(redis.call('HGET', counts, ARGV[1]))}

-- ARGV: lease (ms), members... Takes leases, makes them longer, or restores those that Redis has
-- lost. What others left behind ends here too, after: whoever comes back in that moment has never
-- been away.
for n = 2, #ARGV do
    hold(ARGV[n], string.match(ARGV[n], '^([^:]*):'), tonumber(ARGV[1]))
end
reap()
return done()

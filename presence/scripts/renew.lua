-- ARGV: lease (ms), members... Restores what Redis has lost, and ends what others left behind.
for n = 2, #ARGV do
    hold(ARGV[n], string.match(ARGV[n], '^([^:]*):'), tonumber(ARGV[1]))
end
reap()
return done()

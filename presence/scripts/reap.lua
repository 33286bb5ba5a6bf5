-- Ends the leases whose time is over.
reap()
return done()

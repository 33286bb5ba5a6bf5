-- ARGV: user. Ends all leases of theirs, whoever holds them. Those of a scope are in order of time,
-- so they are looked through, until as many are found as there are.
local user = ARGV[1]
local found, passed = {}, 0
local wanted = tonumber(redis.call('HGET', counts, user) or 0)
while #found < wanted do
    local members = redis.call('ZRANGE', leases, passed, passed + 999)
    if #members == 0 then break end
    for _, member in ipairs(members) do
        if string.match(member, '^([^:]*):') == user then found[#found + 1] = member end
    end
    passed = passed + #members
end
for _, member in ipairs(found) do drop(member) end
return done()

-- The rows of those whose time has come. ARGV: set, now, limit.
local found = {}
for at, member in ipairs(due(ARGV[1], ARGV[2], ARGV[3])) do found[at] = row(id_of(member)) end
return found

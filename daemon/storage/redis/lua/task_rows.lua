-- The rows of tasks. ARGV: their ids.
local found = {}
for at, id in ipairs(ARGV) do found[at] = row(id) end
return found

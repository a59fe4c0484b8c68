-- What the server says of how it keeps things; nothing where we may not ask.
-- Returns {what it says of persistence, of memory}
local found = {}
for at, section in ipairs({'persistence', 'memory'}) do
  local said = redis.pcall('INFO', section)
  found[at] = type(said) == 'table' and (said.ok or '') or said
end
return found

-- When there is next something to do by time alone; nothing when there is nothing.
local at = nil
for _, set in ipairs({'wake', 'leases', 'deadlines', 'removals'}) do
  local first = call('ZRANGE', base .. set, 0, 0, 'WITHSCORES')
  if first[2] and (not at or tonumber(first[2]) < tonumber(at)) then at = first[2] end
end
return at

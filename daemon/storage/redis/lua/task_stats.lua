-- How many there are. ARGV: now, how many to wake.
-- Returns {{<part>|<group>, tasks, ...}, {group, since when the oldest could have begun}}
wake(ARGV[1], ARGV[2])
local depths = call('HGETALL', base .. 'depths')
local oldest = {}
for at = 1, #depths, 2 do
  local group = string.match(depths[at], '^queued|(.*)$')
  if group then
    local first = call('ZRANGE', base .. 'age:' .. group, 0, 0, 'WITHSCORES')
    oldest[#oldest + 1] = group
    oldest[#oldest + 1] = first[2]
  end
end
return {depths, oldest}

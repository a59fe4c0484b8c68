-- Changes that others have made since. ARGV: the entry heard last, or nothing at first;
-- who I am. Returns {the entry heard last, {changes}}; entries before the first asking,
-- and those that were trimmed since, are passed by.
local stream = base .. 'changes'
if ARGV[1] == '' then
  local newest = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return {newest[1] and newest[1][1] or '0-0', {}}
end
local last, changes = ARGV[1], {}
for _, entry in ipairs(call('XRANGE', stream, '(' .. last, '+', 'COUNT', 500)) do
  last = entry[1]
  if entry[2][2] ~= ARGV[2] then changes[#changes + 1] = entry[2][4] end
end
return {last, changes}

-- Walk a list, the newest first. ARGV: the list, before this seq, how many to find, how
-- many to look at, msgpack {one = {place = value}, several = {place = {value = true}},
-- since}. A place is one in a task's ``about``; the last one is its state.
-- Returns {the seq looked at last, or false at the end, {row}}
local list, before, wanted, looks = base .. ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local tests = cmsgpack.unpack(ARGV[5])

local function fits(about)
  for place, value in pairs(tests.one) do
    if about[tonumber(place)] ~= value then return false end
  end
  for place, values in pairs(tests.several) do
    if not values[about[tonumber(place)]] then return false end
  end
  return not tests.since or about[8] >= tests.since
end

local found, last = {}, before
local members = call(
  'ZREVRANGEBYSCORE', list, '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, looks)
for at = 1, #members, 2 do
  local id = members[at]
  local kept = call('HMGET', base .. 't:' .. id, 'about', 'state')
  local about = cmsgpack.unpack(kept[1])
  about[9] = kept[2]
  last = members[at + 1]
  if fits(about) then
    found[#found + 1] = row(id)
    if #found == wanted then return {last, found} end
  end
end
return {#members == 2 * looks and last, found}

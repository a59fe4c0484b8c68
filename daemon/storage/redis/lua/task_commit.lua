-- Change tasks that are as they were seen, and keep new ones: all of it, or nothing.
-- ARGV[1]  msgpack: {checks = {{id, version}}, commands = {{name, key, ...}},
--          counts = {{hash, field, by}}, new = {task}}; where a value is {n} it is
--          ARGV[n], for msgpack in here knows no bytes
-- Returns  {"changed"}: one is not as it was seen · {"there", {{place in new, row}}}: some
--          are kept already, by id or key · {"misfit", place, place of the first}: two new
--          ones have one id or key for different things · {"kept", {seq, or minus the
--          place of the new one that is the same}}. Only the last has changed anything.
local ask = cmsgpack.unpack(ARGV[1])

for _, check in ipairs(ask.checks) do
  if call('HGET', base .. 't:' .. check[1], 'version') ~= check[2] then
    return {'changed'}
  end
end

local function bytes(values)
  for at, value in ipairs(values) do
    if type(value) == 'table' then values[at] = ARGV[value[1]] end
  end
  return values
end

local there, same, by_id, by_key = {}, {}, {}, {}
for at, new in ipairs(ask.new) do
  local found = call('EXISTS', base .. 't:' .. new.id) == 1 and new.id
  local first = by_id[new.id]
  if not found and not first and new.key then
    found = call('HGET', base .. 'keys', new.key)
    first = by_key[new.key]
  end
  if found then
    there[#there + 1] = {at, row(found)}
  elseif first then
    local other = ask.new[first]
    if other.tenant ~= new.tenant or other.digest ~= new.digest then
      return {'misfit', at, first}
    end
    same[at] = first
  else
    by_id[new.id] = at
    if new.key then by_key[new.key] = at end
  end
end
if #there > 0 then return {'there', there} end

for _, command in ipairs(ask.commands) do
  if command[1] == 'XCLAIM' then  -- somebody may have dropped the group
    redis.pcall(unpack(command))
  else
    call(unpack(bytes(command)))
  end
end
for _, each in ipairs(ask.counts) do count(each[1], each[2], each[3]) end

local function next_tag(new)
  local shares = base .. 'shares:' .. new.priority
  local virtual = tonumber(call('HGET', base .. 'virtual', new.priority) or '0')
  local last = tonumber(call('ZSCORE', shares, new.tenant) or '0')
  local tag = exact(math.max(virtual, last) + 1.0 / tonumber(new.weight))
  call('ZADD', shares, tag, new.tenant)
  return tag
end

local function keep(new)
  local seq = call('INCR', base .. 'seq')
  local tag = next_tag(new)
  local member = string.format('%016d:', seq) .. new.id
  call('HSET', base .. 't:' .. new.id, 'seq', seq, 'tag', tag, unpack(bytes(new.fields)))
  if new.key then call('HSET', base .. 'keys', new.key, new.id) end
  for _, set in ipairs(new.listed) do call('ZADD', base .. set, seq, new.id) end
  for _, timed in ipairs(new.timed) do call('ZADD', base .. timed[1], timed[2], member) end
  if new.ready then
    call('ZADD', base .. 'ready:' .. new.priority .. ':' .. new.lane, tag, member)
    call('SADD', base .. 'lanes:' .. new.priority, new.lane)
  end
  for _, each in ipairs(new.counts) do count(each[1], each[2], each[3]) end
  call('XADD', base .. 'changes', unpack(bytes(new.news)))
  return seq
end

local kept = {}
for at, new in ipairs(ask.new) do
  kept[at] = same[at] and -same[at] or keep(new)
end
return {'kept', kept}

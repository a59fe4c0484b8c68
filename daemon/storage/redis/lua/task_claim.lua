-- Lease what is due: of the first priority that has any in a lane with room, the smallest
-- tag. ARGV[1] msgpack: {now, until_, worker, slots = {{priority}}, lanes = {lane = most},
-- limit, leases = whether leases that ran out were seen to}; ARGV[2] is what is written
-- down of the claim
-- Returns {"tidy"}: first see to leases that ran out and deadlines that passed; or
-- {"taken", {row}}.
local ask = cmsgpack.unpack(ARGV[1])

wake(ask.now, ask.limit)
if not ask.leases and #due('leases', ask.now, 1) > 0 then return {'tidy'} end
if #due('deadlines', ask.now, 1) > 0 then return {'tidy'} end

local room = {}
for lane, most in pairs(ask.lanes) do
  room[lane] = most - tonumber(call('HGET', base .. 'busy', lane) or '0')
end

local function head(priority, lane)
  local found = call('ZRANGE', base .. 'ready:' .. priority .. ':' .. lane, 0, 0, 'WITHSCORES')
  if not found[1] then
    call('SREM', base .. 'lanes:' .. priority, lane)
    return nil
  end
  return {lane = lane, member = found[1], tag = tonumber(found[2]), exact = found[2]}
end

local function has_room(lane)
  return not room[lane] or room[lane] > 0
end

local heads = {}
local function heads_of(priority)
  if not heads[priority] then
    local found = {}
    for _, lane in ipairs(call('SMEMBERS', base .. 'lanes:' .. priority)) do
      found[lane] = has_room(lane) and head(priority, lane) or nil
    end
    heads[priority] = found
  end
  return heads[priority]
end

local function first(priority)
  local best = nil
  for lane, it in pairs(heads_of(priority)) do
    if has_room(lane) and (not best or it.tag < best.tag
        or (it.tag == best.tag and it.member < best.member)) then
      best = it
    end
  end
  return best
end

-- The entry that says who works on it; other entries that nobody was given come along.
local function deliver(priority, id)
  local stream = base .. 'stream:' .. priority
  local entry = call('XADD', stream, '*', 'task', id)
  for _ = 1, 1000 do
    local given = redis.pcall(
      'XREADGROUP', 'GROUP', GROUP, ask.worker, 'COUNT', 1, 'STREAMS', stream, '>')
    if given and given.err then
      call('XGROUP', 'CREATE', stream, GROUP, '0')
    elseif not given or given[1][2][1][1] == entry then
      break
    end
  end
  return entry
end

local function take(priority, it)
  local id, member = id_of(it.member), it.member
  local key = base .. 't:' .. id
  local about = call('HMGET', key, 'state', 'group', 'seq')
  local state, group, seq = about[1], about[2], about[3]
  call('ZREM', base .. 'ready:' .. priority .. ':' .. it.lane, member)
  call('ZREM', base .. 'deadlines', member)
  call('ZREM', base .. 'age:' .. group, member)
  call('ZREM', base .. 'state:' .. state, id)
  call('ZADD', base .. 'state:leased', seq, id)
  call('ZADD', base .. 'leases', ask.until_, member)
  count('depths', state .. '|' .. group, -1)
  count('depths', 'in_work|' .. group, 1)
  count('busy', it.lane, 1)
  local virtual = call('HGET', base .. 'virtual', priority)
  if not virtual or tonumber(virtual) < it.tag then
    call('HSET', base .. 'virtual', priority, it.exact)
  end
  call('HSET', key, 'state', 'leased', 'ready', 0, 'taken', ARGV[2],
    'entry', deliver(priority, id))
  call('HINCRBY', key, 'version', 1)
  if room[it.lane] then room[it.lane] = room[it.lane] - 1 end
  heads[priority][it.lane] = head(priority, it.lane)
  return row(id)
end

local taken = {}
for _, slot in ipairs(ask.slots) do
  for _, priority in ipairs(slot) do
    local it = first(priority)
    if it then
      taken[#taken + 1] = take(priority, it)
      break
    end
  end
end
return {'taken', taken}

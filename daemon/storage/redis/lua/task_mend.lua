-- Tidy what no time is set for: shares that virtual time has overtaken, and entries of the
-- streams that are pending without anybody at work, say after somebody put back an older
-- copy of some keys; and consumers that are no more. ARGV: now, idle ms, the priorities.
local DAY_MS = 86400000

local function forget(stream)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, GROUP)
  for _, consumer in ipairs(not consumers.err and consumers or {}) do
    local it = {}
    for at = 1, #consumer, 2 do it[consumer[at]] = consumer[at + 1] end
    if it.pending == 0 and it.idle > DAY_MS then
      call('XGROUP', 'DELCONSUMER', stream, GROUP, it.name)
    end
  end
end

for at = 3, #ARGV do
  local priority = ARGV[at]
  local virtual = call('HGET', base .. 'virtual', priority)
  if virtual then
    call('ZREMRANGEBYSCORE', base .. 'shares:' .. priority, '-inf', virtual)
  end
  local stream = base .. 'stream:' .. priority
  local idle = redis.pcall(
    'XAUTOCLAIM', stream, GROUP, 'nobody', ARGV[2], '0-0', 'COUNT', 100)
  for _, entry in ipairs(not idle.err and idle[2] or {}) do
    local id = entry and entry[2] and entry[2][2]
    local it = id and call('HMGET', base .. 't:' .. id, 'entry', 'state', 'seq')
    local held = it and it[1] == entry[1] and (it[2] == 'leased' or it[2] == 'running')
    if entry and not held then
      call('XACK', stream, GROUP, entry[1])
      call('XDEL', stream, entry[1])
    elseif held then
      call('ZADD', base .. 'leases', 'NX', ARGV[1], string.format('%016d:', it[3]) .. id)
    end
  end
  forget(stream)
end
return 0

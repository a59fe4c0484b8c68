-- What the tasks' scripts share. KEYS[1] is how all of their keys begin; it has the hash
-- tag that keeps them in one slot of a cluster. No script reads a clock.
--
--   t:<id>                 hash    a task: seq, tag, version, ready, state, priority, lane,
--                                  group, about, spec, status, taken, result, entry
--   keys                   hash    idempotency key -> task
--   seq                    number  of the last task that came
--   virtual                hash    priority -> its virtual time
--   shares:<priority>      zset    tenant -> its last tag
--   ready:<priority>:<lane> zset   due, by tag; lanes:<priority> has the lanes with any
--   wake, leases, deadlines, removals  zsets by time
--   age:<group>            zset    queued, by since when they could have begun
--   all, state:<s>, tenant:<t>, user:<u>, batch:<b>, parent:<p>  zsets by seq
--   depths, busy           hashes  how many there are: <part>|<group>, lane
--   stream:<priority>      stream  in work: one entry each, pending in its group
--   changes                stream  the last ones, for whoever wants to hear of them
--
-- Members of the zsets by tag and by time are "<seq, 16 digits>:<id>": what is equal goes
-- by order of arrival.
local base = KEYS[1] .. ':'
local call = redis.call
local GROUP = 'gitbridge'
local ROW = {
  'seq', 'tag', 'version', 'ready', 'spec', 'status', 'taken', 'result', 'entry',
}

-- Lua would write 14 digits.
local function exact(number)
  return string.format('%.17g', number)
end

local function row(id)
  return call('HMGET', base .. 't:' .. id, unpack(ROW))
end

local function id_of(member)
  return string.sub(member, 18)
end

-- None is no entry.
local function count(hash, field, by)
  if call('HINCRBY', base .. hash, field, by) == 0 then
    call('HDEL', base .. hash, field)
  end
end

local function due(set, now, limit)
  return call('ZRANGEBYSCORE', base .. set, '-inf', now, 'LIMIT', 0, limit)
end

-- What waited for its time may be claimed.
local function wake(now, limit)
  for _, member in ipairs(due('wake', now, limit)) do
    local key = base .. 't:' .. id_of(member)
    local it = call('HMGET', key, 'priority', 'lane', 'tag', 'state', 'group')
    call('ZREM', base .. 'wake', member)
    call('ZADD', base .. 'ready:' .. it[1] .. ':' .. it[2], it[3], member)
    call('SADD', base .. 'lanes:' .. it[1], it[2])
    call('HSET', key, 'ready', 1)
    call('HINCRBY', key, 'version', 1)
    if it[4] == 'queued' then
      count('depths', 'scheduled|' .. it[5], -1)
      count('depths', 'queued|' .. it[5], 1)
    end
  end
end

-- What every script begins with. KEYS[1] is the prefix of all keys: it carries the hash
-- tag, so that all of them are in one slot of a cluster. Scripts are atomic and read no
-- clock. ARGV[1] is their argument in msgpack.
--
--   task:<id>                 hash     everything about one task
--   ready:<priority>:<lane>   zset     due; by fair-queueing tag, then order of submission
--   later:<priority>          zset     not due yet; by run_at
--   lanes:<priority>          set      lanes that may have something ready
--   shares                    zset     last tag of each tenant that is ahead of its share
--   counters                  hash     seq: of submissions; time: the queue's virtual time
--   stream:<priority>         stream   leased, one entry each; its group's pending entries
--                                      are the deliveries, the consumer is the worker
--   leases, deadlines, ends   zset     when a lease runs out, an attempt may no longer
--                                      begin, a final task is to be removed
--   state:<state>, all, batch:<id>, parent:<id>, user:<name>   zset   by created_at, to list
--   queued:<group>, depth     zset, hash   what is counted; a group is priority, kind, type
--   key:<tenant> <key>        string   the task of an idempotency key
--   changes                   channel  what happened
local base = KEYS[1]
local ask = cmsgpack.unpack(ARGV[1])
local call = redis.call
local GROUP = 'gitbridge'
local FINAL = {done = true, failed = true, cancelled = true, dead = true}
local IDLE = {queued = true, waiting = true}
local COUNTED = {waiting = 'waiting', leased = 'in_work', running = 'in_work', dead = 'dead'}
local FACTS = {
  'id', 'kind', 'type', 'priority', 'lane', 'tenant', 'tag', 'seq', 'state', 'run_at',
  'created_at', 'deadline_at', 'max_attempts', 'keep_s', 'attempts', 'token', 'worker',
  'entry', 'cancel', 'progress', 'key', 'batch_id', 'parent_id', 'thread_id', 'user',
  'lease_until', 'ended_at',
}
local NUMBERS = {
  'tag', 'seq', 'run_at', 'created_at', 'deadline_at', 'max_attempts', 'keep_s', 'attempts',
  'token', 'lease_until', 'ended_at',
}
local SHOWN = {
  'spec', 'state', 'run_at', 'updated_at', 'attempts', 'token', 'worker', 'lease_until',
  'started_at', 'ended_at', 'cancel', 'progress', 'result', 'error',
}

local function key(...)
  return base .. ':' .. table.concat({...}, ':')
end

-- Lua would write a time with 14 digits.
local function exact(number)
  return string.format('%.17g', number)
end

local function load(id)
  local found = call('HMGET', key('task', id), unpack(FACTS))
  if not found[1] then return nil end
  local task = {}
  for at, name in ipairs(FACTS) do task[name] = found[at] or nil end
  for _, name in ipairs(NUMBERS) do
    if task[name] then task[name] = tonumber(task[name]) end
  end
  return task
end

local function shown(id)
  return call('HMGET', key('task', id), unpack(SHOWN))
end

local function set(task, name, value)
  task[name] = value
  if value == nil then
    call('HDEL', key('task', task.id), name)
  elseif type(value) == 'number' then
    call('HSET', key('task', task.id), name, exact(value))
  else
    call('HSET', key('task', task.id), name, value)
  end
end

local function member(task)
  return string.format('%016d:', task.seq) .. task.id
end

local function group(task)
  return table.concat({task.priority, task.kind, task.type}, ':')
end

local function count(task, by)
  if task.state == 'queued' then
    if by > 0 then
      call('ZADD', key('queued', group(task)), exact(task.run_at), task.id)
      call('HSETNX', key('depth'), group(task), 1)
    else
      call('ZREM', key('queued', group(task)), task.id)
    end
  elseif COUNTED[task.state] then
    call('HINCRBY', key('depth', COUNTED[task.state]), group(task), by)
  end
end

local function make_ready(task)
  call('ZADD', key('ready', task.priority, task.lane), exact(task.tag), member(task))
  call('SADD', key('lanes', task.priority), task.lane)
end

local function leave(task)
  if IDLE[task.state] then
    call('ZREM', key('ready', task.priority, task.lane), member(task))
    call('ZREM', key('later', task.priority), task.id)
    call('ZREM', key('deadlines'), task.id)
  elseif FINAL[task.state] then
    call('ZREM', key('ends'), task.id)
  else
    call('ZREM', key('leases'), task.id)
  end
  call('ZREM', key('state', task.state), task.id)
  count(task, -1)
end

local function enter(task, now)
  if IDLE[task.state] then
    if task.run_at <= now then
      make_ready(task)
    else
      call('ZADD', key('later', task.priority), exact(task.run_at), task.id)
    end
    if task.deadline_at then
      call('ZADD', key('deadlines'), exact(task.deadline_at), task.id)
    end
  elseif FINAL[task.state] then
    call('ZADD', key('ends'), exact(task.ended_at + task.keep_s), task.id)
  else
    call('ZADD', key('leases'), exact(task.lease_until), task.id)
  end
  call('ZADD', key('state', task.state), exact(task.created_at), task.id)
  count(task, 1)
end

local function tell(task, now, error_kind)
  local change = {
    task_id = task.id, kind = task.kind, type = task.type, priority = task.priority,
    state = task.state, at = now, attempts = task.attempts, user = task.user,
    batch_id = task.batch_id, parent_id = task.parent_id, thread_id = task.thread_id,
    worker = task.worker, progress = task.progress, error_kind = error_kind,
  }
  call('PUBLISH', key('changes'), cmsgpack.pack(change))
end

-- Into another state, with everything that is kept by state.
local function move(task, state, now, error_kind)
  leave(task)
  set(task, 'state', state)
  set(task, 'updated_at', now)
  enter(task, now)
  tell(task, now, error_kind)
end

-- Its entry is no longer pending, nor in the stream.
local function acknowledge(task)
  if task.entry then
    call('XACK', key('stream', task.priority), GROUP, task.entry)
    call('XDEL', key('stream', task.priority), task.entry)
    set(task, 'entry', nil)
  end
end

-- Nobody holds it any more.
local function release(task)
  set(task, 'worker', nil)
  leave(task)
  set(task, 'lease_until', nil)
end

local function finalise(task, state, now, error, error_kind)
  acknowledge(task)
  leave(task)
  set(task, 'worker', nil)
  set(task, 'lease_until', nil)
  set(task, 'progress', task.progress)
  if error then set(task, 'error', error) end
  set(task, 'ended_at', now)
  set(task, 'updated_at', now)
  set(task, 'state', state)
  enter(task, now)
  tell(task, now, error_kind)
end

local function next_tag(tenant, weight)
  local time = tonumber(call('HGET', key('counters'), 'time') or '0')
  local last = tonumber(call('ZSCORE', key('shares'), tenant) or '0')
  local tag = math.max(time, last) + 1 / weight
  call('ZADD', key('shares'), exact(tag), tenant)
  return tag
end

-- Who has had less than its share begins at the virtual time again: no need to know it.
local function pass(tag)
  local time = tonumber(call('HGET', key('counters'), 'time') or '0')
  if tag > time then call('HSET', key('counters'), 'time', exact(tag)) end
end

-- The first task of an idempotency key, or of an id: nil, or id and whether it fits.
local function known(task)
  if task.key then
    local id = call('GET', key('key', task.tenant .. '\0' .. task.key))
    if id then
      return id, call('HGET', key('task', id), 'digest') == task.digest
    end
  end
  if call('EXISTS', key('task', task.id)) == 1 then return task.id, true end
  return nil, true
end

local function keep(new)
  local hash = key('task', new.id)
  local seq = call('HINCRBY', key('counters'), 'seq', 1)
  new.seq, new.state, new.attempts, new.token = seq, 'queued', 0, 0
  new.tag = next_tag(new.tenant, new.weight)
  local row = {}
  for name, value in pairs(new) do
    row[#row + 1] = name
    row[#row + 1] = type(value) == 'number' and exact(value) or value
  end
  call('HSET', hash, 'updated_at', exact(new.created_at), unpack(row))
  local at = exact(new.created_at)
  call('ZADD', key('all'), at, new.id)
  if new.batch_id then call('ZADD', key('batch', new.batch_id), at, new.id) end
  if new.parent_id then call('ZADD', key('parent', new.parent_id), at, new.id) end
  if new.user then call('ZADD', key('user', new.user), at, new.id) end
  if new.key then call('SET', key('key', new.tenant .. '\0' .. new.key), new.id) end
  enter(new, new.created_at)
  tell(new, new.created_at)
end

-- All of them or none: for each its id and whether it had been kept before; or the
-- place of the one whose key was used for something else.
local function keep_all(tasks)
  local fits, mine = true, {}
  for at, task in ipairs(tasks) do
    local id
    id, fits = known(task)
    local own = task.key and task.tenant .. '\0' .. task.key
    if not id and own then
      if mine[own] and mine[own] ~= task.digest then fits = false end
      mine[own] = task.digest
    end
    if not fits then return nil, at end
  end
  local kept = {}
  for at, task in ipairs(tasks) do
    local id = known(task)
    if not id then keep(task) end
    kept[at] = {id or task.id, id and 1 or 0}
  end
  return kept, nil
end

-- A lease that ran out: cancelled if that was wanted, dead if it was the last, else due.
local function orphan(task, now)
  if task.cancel then
    finalise(task, 'cancelled', now)
  elseif task.attempts >= task.max_attempts then
    finalise(task, 'dead', now, ask.dead_error, ask.dead_kind)
  else
    leave(task)
    set(task, 'worker', nil)
    set(task, 'lease_until', nil)
    set(task, 'state', 'queued')
    set(task, 'updated_at', now)
    enter(task, now)
    tell(task, now)
  end
end

local function expire(task, now)
  finalise(task, 'failed', now, ask.late_error, ask.late_kind)
end

local function first_due(set_key, now, limit)
  return call('ZRANGEBYSCORE', set_key, '-inf', exact(now), 'LIMIT', 0, limit)
end

-- Those whose time has come are ready.
local function promote(priority, now, limit)
  for _, id in ipairs(first_due(key('later', priority), now, limit)) do
    call('ZREM', key('later', priority), id)
    make_ready(load(id))
  end
end

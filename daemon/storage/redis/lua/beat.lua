-- Say that I am here, and hear who else is.
-- KEYS[1]  hash: daemon -> "<milliseconds>:<what it says>"
-- ARGV[1]  me    ARGV[2]  what I say    ARGV[3]  after so many ms somebody is forgotten
-- Returns  what was said in my name before, and {id, age in ms, what it says} of
--          everybody else
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local keep = tonumber(ARGV[3])
local before = redis.call('HGET', KEYS[1], ARGV[1]) or ''
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ':' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], keep)
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local id, value = all[i], all[i + 1]
  local colon = string.find(value, ':', 1, true)
  local at = colon and tonumber(string.sub(value, 1, colon - 1))
  if not at or now - at > keep or now - at < -keep then
    redis.call('HDEL', KEYS[1], id)
  elseif id ~= ARGV[1] and #found < 64 then
    found[#found + 1] = {id, math.max(0, now - at), string.sub(value, colon + 1)}
  end
end
return {before, found}

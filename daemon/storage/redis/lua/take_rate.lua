-- Take one request and some tokens of what all daemons may have of a provider, or nothing.
-- GCRA, as in actors/policy/limits.py: one number says when the bucket is full again, in
-- microseconds of the server's clock.
-- KEYS[1] requests  KEYS[2] tokens
-- ARGV: requests a minute, tokens a minute (-1: not limited), burst in s, tokens wanted
-- Returns {wait for requests, wait for tokens} in microseconds, -1: never; and how far
-- the two buckets are behind.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local burst = tonumber(ARGV[3]) * 1000000

local function look(key, per_minute, units)
  if per_minute < 0 then return {wait = 0, behind = 0} end
  if per_minute == 0 or units > math.max(per_minute, 1) then
    return {wait = -1, behind = 0}
  end
  local unit = 60000000 / per_minute
  local depth = math.max(burst, unit)
  local behind = math.max(0, tonumber(redis.call('GET', key) or '0') - now)
  local wait = behind + math.min(units * unit, depth) - depth
  return {
    wait = math.max(0, math.ceil(wait - 0.001)),
    behind = behind,
    full = now + behind + math.ceil(units * unit),
  }
end

local function book(key, found)
  if found.full and found.full > now then
    local left = math.ceil((found.full - now) / 1000)
    redis.call('SET', key, string.format('%.0f', found.full), 'PX', left)
    found.behind = found.full - now
  end
end

local requests = look(KEYS[1], tonumber(ARGV[1]), 1)
local tokens = look(KEYS[2], tonumber(ARGV[2]), tonumber(ARGV[4]))
if requests.wait == 0 and tokens.wait == 0 then
  book(KEYS[1], requests)
  book(KEYS[2], tokens)
end
return {requests.wait, tokens.wait, requests.behind, tokens.behind}

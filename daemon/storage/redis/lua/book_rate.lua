-- Book what was used beyond what was taken, or give back what was not: see take_rate.
-- KEYS[1] requests  KEYS[2] tokens
-- ARGV: requests a minute, tokens a minute (-1: not limited), requests, tokens
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
for i = 1, 2 do
  local per_minute, units = tonumber(ARGV[i]), tonumber(ARGV[i + 2])
  if per_minute > 0 and units ~= 0 then
    local full = math.max(now, tonumber(redis.call('GET', KEYS[i]) or '0'))
    full = full + math.ceil(units * 60000000 / per_minute)
    if full > now then
      local left = math.ceil((full - now) / 1000)
      redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', left)
    else
      redis.call('DEL', KEYS[i])
    end
  end
end

-- Say what I have used of some accounts, hear what others have, and claim amounts.
-- All claims of one call are decided in order; each is granted in all of its accounts or
-- in none. Money is whole nano-dollars.
-- KEYS   one hash for each account of one day:
--        "s:<daemon>" settled, "r:<daemon>" "<reserved>:<until when, ms>", "w:<daemon>"
--        the number of its newest word
-- ARGV   me; the number of this word: one that comes late, after a newer one, changes
--        nothing; reservations hold for so many ms; accounts are kept for so many ms;
--        settled, reserved, limit of each account; how many claims; then of each claim
--        its amount, how many accounts it falls into, and their numbers
-- Returns {a verdict for each claim, 1 or 0},
--        {{settled by others, reserved by others, settled by me as it is known here}, ...},
--        the number of my newest word}
local me, word = ARGV[1], tonumber(ARGV[2])
local hold, keep, newest = tonumber(ARGV[3]), tonumber(ARGV[4]), word
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function text(n) return string.format('%.0f', n) end

local accounts, at = {}, 5
for i, key in ipairs(KEYS) do
  local mine = {settled = tonumber(ARGV[at]), reserved = tonumber(ARGV[at + 1])}
  local limit = tonumber(ARGV[at + 2])
  at = at + 3
  local settled, reserved = 0, 0
  local all = redis.call('HGETALL', key)
  for j = 1, #all, 2 do
    local kind, who, value = string.sub(all[j], 1, 2), string.sub(all[j], 3), all[j + 1]
    if kind == 's:' and who == me then
      mine.settled = math.max(mine.settled, tonumber(value) or 0)
    elseif kind == 'w:' and who == me then
      newest = math.max(newest, tonumber(value) or 0)
    elseif kind == 's:' then
      settled = settled + math.max(0, tonumber(value) or 0)
    elseif kind == 'r:' and who ~= me then
      local amount, till = string.match(value, '^(%d+):(%d+)$')
      if amount and tonumber(till) > now then
        reserved = reserved + tonumber(amount)
      else
        redis.call('HDEL', key, all[j])
      end
    end
  end
  accounts[i] = {
    limit = limit, mine = mine, settled = settled, reserved = reserved,
    used = settled + reserved + mine.settled + mine.reserved,
  }
end

local late = newest > word
local verdicts = {}
local claims = tonumber(ARGV[at])
at = at + 1
for c = 1, claims do
  local amount, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local granted = late and 0 or 1
  for k = 1, count do
    local account = accounts[tonumber(ARGV[at + 1 + k])]
    if account.used + amount > account.limit then granted = 0 end
  end
  for k = 1, granted == 1 and count or 0 do
    local account = accounts[tonumber(ARGV[at + 1 + k])]
    account.used = account.used + amount
    account.mine.reserved = account.mine.reserved + amount
  end
  verdicts[c] = granted
  at = at + 2 + count
end

local told = {}
for i, key in ipairs(KEYS) do
  local account = accounts[i]
  local mine = account.mine
  if not late then
    redis.call('HSET', key, 's:' .. me, text(mine.settled), 'w:' .. me, text(word))
    if mine.reserved > 0 then
      redis.call('HSET', key, 'r:' .. me, text(mine.reserved) .. ':' .. text(now + hold))
    else
      redis.call('HDEL', key, 'r:' .. me)
    end
    redis.call('PEXPIRE', key, keep)
  end
  told[i] = {text(account.settled), text(account.reserved), text(mine.settled)}
end
return {verdicts, told, text(newest)}

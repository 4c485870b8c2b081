-- Decides about one call and counts it, as one step.
-- KEYS: 1 calls of the organisation today, 2 calls of the organisation in this second
-- ARGV: 1 limit per day, 2 limit per second, 3 seconds to keep the day's key, 4 calls of today that the instance knows of
-- Answers {decision, calls today, calls this second, lost}; decision 0 admitted, 1 over the day, 2 over the second; lost is 1
-- where Redis had forgotten calls that it told the instance of before, which are put back.
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local today = math.max(stored, tonumber(ARGV[4]))
local now = tonumber(redis.call('GET', KEYS[2]) or '0')
local lost = 0
if today > stored then
  lost = 1
  redis.call('SET', KEYS[1], string.format('%.0f', today), 'EX', ARGV[3])
end
if today >= tonumber(ARGV[1]) then return {1, today, now, lost} end
if now >= tonumber(ARGV[2]) then return {2, today, now, lost} end
today = redis.call('INCR', KEYS[1])
if today == 1 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
now = redis.call('INCR', KEYS[2])
if now == 1 then redis.call('EXPIRE', KEYS[2], 2) end
return {0, today, now, lost}

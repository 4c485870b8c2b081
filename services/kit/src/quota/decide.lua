-- Decides about calls of one organisation that wait together, and counts those that it admits. Redis runs a script without interruption, so two
-- scripts can never both give away the last place.
-- KEYS: 1 calls of the organisation today, 2 calls of the organisation in this second
-- ARGV: 1 limit per day, 2 limit per second, 3 seconds to keep the day's key, 4 calls of today that Redis reported to the instance before,
-- 5 number of calls that wait
-- Returns {admitted, full, calls today, calls this second, lost}. admitted: number of calls that are admitted. full: what refuses the others, 1 the
-- day, 2 the second. lost: 1 if Redis has fewer calls than it reported before (it was restarted or flushed); the higher count is restored.
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local today = math.max(stored, tonumber(ARGV[4]))
local now = tonumber(redis.call('GET', KEYS[2]) or '0')
local lost = 0
-- A counter never goes back within a day, so the higher of the two counts is right.
if today > stored then
  lost = 1
  redis.call('SET', KEYS[1], string.format('%.0f', today), 'EX', ARGV[3])
end
-- Only admitted calls are counted, so the counters never exceed the limits.
local in_day, in_second = tonumber(ARGV[1]) - today, tonumber(ARGV[2]) - now
local admitted = math.max(0, math.min(tonumber(ARGV[5]), in_day, in_second))
if admitted > 0 then
  today = redis.call('INCRBY', KEYS[1], admitted)
  if today == admitted then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
  now = redis.call('INCRBY', KEYS[2], admitted)
  -- The name of the key has its second, so it is not used after that; 2 seconds leave a margin for the clocks of instances.
  if now == admitted then redis.call('EXPIRE', KEYS[2], 2) end
end
return {admitted, in_day <= in_second and 1 or 2, today, now, lost}

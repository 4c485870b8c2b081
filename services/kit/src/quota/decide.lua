-- Decides about a call and counts it. Redis runs a script without interruption, so two calls can never both get the
-- last place.
-- KEYS: 1 calls of the organisation today, 2 calls of the organisation in this second
-- ARGV: 1 limit per day, 2 limit per second, 3 seconds to keep the day's key, 4 calls of today that Redis reported to the instance before
-- Returns {decision, calls today, calls this second, lost}. decision: 0 admitted, 1 over the day, 2 over the second. lost: 1 if Redis
-- has fewer calls than it reported before (it was restarted or flushed); the higher count is restored.
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local today = math.max(stored, tonumber(ARGV[4]))
local now = tonumber(redis.call('GET', KEYS[2]) or '0')
local lost = 0
-- A counter never goes back within a day, so the higher of the two counts is right.
if today > stored then
  lost = 1
  redis.call('SET', KEYS[1], string.format('%.0f', today), 'EX', ARGV[3])
end
if today >= tonumber(ARGV[1]) then return {1, today, now, lost} end
if now >= tonumber(ARGV[2]) then return {2, today, now, lost} end
-- Only admitted calls are counted, so the counters never exceed the limits.
today = redis.call('INCR', KEYS[1])
if today == 1 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
now = redis.call('INCR', KEYS[2])
-- The name of the key has its second, so it is not used after that; 2 seconds leave a margin for the clocks of instances.
if now == 1 then redis.call('EXPIRE', KEYS[2], 2) end
return {0, today, now, lost}

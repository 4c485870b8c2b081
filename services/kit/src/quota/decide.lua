-- Decides about calls of one organisation that wait together, and counts those that it admits. A busy organisation also gets a lease: calls that the
-- instance may admit by itself in the rest of this second. Redis runs a script without interruption, so two scripts can never both give away the last place.
-- KEYS: 1 calls of the organisation today, leases included, 2 calls of the organisation in this second, 3 calls of leases of today that were not used
-- ARGV: 1 limit per day, 2 limit per second, 3 seconds to keep the day's keys, 4 calls of today that Redis reported to the instance before,
-- 5 number of calls that wait, 6 size of the wanted lease, 7 unused calls of today that Redis reported to the instance before,
-- 8 unused calls of leases of this instance, which are counted from now on
-- Returns {admitted, full, calls today, calls this second, lost, lease, unused calls today}. admitted: number of waiting calls that are admitted. full:
-- what refuses the others, 1 the day, 2 the second. lost: 1 if Redis has fewer calls than it reported before (it was restarted or flushed); the higher
-- counts are restored.
local counts = redis.call('MGET', KEYS[1], KEYS[2], KEYS[3])
local stored, now, kept = tonumber(counts[1] or '0'), tonumber(counts[2] or '0'), tonumber(counts[3] or '0')
-- Neither of the two counters of a day ever goes back, so the higher of two counts is right.
local today = math.max(stored, tonumber(ARGV[4]))
local unused = math.min(today, math.max(kept, tonumber(ARGV[7])) + tonumber(ARGV[8]))
local lost = 0
if today > stored then
  lost = 1
  redis.call('SET', KEYS[1], string.format('%.0f', today), 'EX', ARGV[3])
end
if unused > kept then
  redis.call('SET', KEYS[3], string.format('%.0f', unused), 'EX', ARGV[3])
end
-- Only admitted calls and leases are counted, so the counters never exceed the limits.
local in_day, in_second = tonumber(ARGV[1]) - (today - unused), tonumber(ARGV[2]) - now
local waiting = tonumber(ARGV[5])
local admitted = math.max(0, math.min(waiting, in_day, in_second))
-- Near a limit a lease shrinks to nothing: then every call is decided here.
local lease = 0
if admitted == waiting then
  local of_day, of_second = math.floor((in_day - admitted) / 128), math.floor((in_second - admitted) / 8)
  lease = math.max(0, math.min(tonumber(ARGV[6]), of_day, of_second))
end
local counted = admitted + lease
if counted > 0 then
  today = redis.call('INCRBY', KEYS[1], counted)
  if today == counted then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
  now = redis.call('INCRBY', KEYS[2], counted)
  -- The name of the key has its second, so it is not used after that; 2 seconds leave a margin for the clocks of instances.
  if now == counted then redis.call('EXPIRE', KEYS[2], 2) end
end
return {admitted, in_day <= in_second and 1 or 2, today, now, lost, lease, unused}

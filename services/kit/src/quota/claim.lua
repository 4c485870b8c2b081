-- Claims a name once over all instances. The mark says since when this Redis has every claim: a Redis that was restarted or replaced has
-- another run id, and one that was emptied has no mark. A name that was issued before may have been claimed in what was lost.
-- KEYS: 1 the mark, 2 the name; without it, the mark is only set if it is missing or of another Redis
-- ARGV: 1 run id of this Redis, 2 when the name was issued, in milliseconds since the epoch, 3 seconds to keep the claim
-- Returns 0 for the first claim, 1 if the name was claimed before, 2 if that is unknown.
local mark = redis.call('HMGET', KEYS[1], 'run', 'sinceMs')
local since = tonumber(mark[2] or nil)
if mark[1] ~= ARGV[1] or not since then
  local now = redis.call('TIME')
  since = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'sinceMs', string.format('%.0f', since))
end
if not KEYS[2] then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 1
end
if tonumber(ARGV[2]) < since then
  return 2
end
redis.call('SET', KEYS[2], 1, 'EX', ARGV[3])
return 0

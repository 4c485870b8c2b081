-- Adds calls that an instance admitted while Redis did not answer. A settlement whose reply was lost is sent again; NX
-- on its name keeps it from being counted twice. If Redis lost the counter, it is first restored to the count that
-- Redis reported last.
-- KEYS: 1 calls of the organisation on that day, 2 name of this settlement
-- ARGV: 1 calls to add, 2 seconds to keep the day's key and the name, 3 calls that Redis reported to the instance before
-- Returns the calls of that day.
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if redis.call('SET', KEYS[2], 1, 'NX', 'EX', ARGV[2]) then
  used = math.max(used, tonumber(ARGV[3])) + tonumber(ARGV[1])
  -- `%.0f`: Lua writes a number of more than 14 digits with an exponent, which INCR refuses.
  redis.call('SET', KEYS[1], string.format('%.0f', used), 'EX', ARGV[2])
end
return used

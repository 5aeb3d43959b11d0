-- Shuts a whole sender whose own queue is full: no country of it gets anything until then. It is only ever shut for longer.
-- KEYS: shut      ARGV: for µs      Answer: for µs
local CLOSED_MAX = 3600 * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = math.min(tonumber(redis.call('GET', KEYS[1]) or 0), now + CLOSED_MAX)
local until_then = math.max(before, now + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', until_then), 'PX', math.ceil((until_then - now) / 1000))
return until_then - now

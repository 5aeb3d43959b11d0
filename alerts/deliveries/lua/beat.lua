-- Says that a worker lives, and counts them. One that comes back from an outage keeps everybody to their shares for
-- `settle`: by then the others are back too, and nobody takes from the whole while somebody still takes a share.
-- KEYS: workers, opened      ARGV: worker, worker's life µs, settle µs (0: was not away)      Answer: workers
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local life, settle = tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - life)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + life, '+inf')
if settle > 0 then
    redis.call('SET', KEYS[2], string.format('%.0f', now + settle))
end
return redis.call('ZCARD', KEYS[1])

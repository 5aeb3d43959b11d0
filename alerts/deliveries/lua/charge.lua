-- Takes tokens for what goes ahead of the queue, whether there are any or not: the buckets are in debt then, and others wait.
-- KEYS: account, sender, country      ARGV: messages, cost, rates of account, sender, country (per s, 0: none)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 1, 3 do
    local rate = tonumber(ARGV[2 + i])
    if rate > 0 then
        local arrives = math.max(now, tonumber(redis.call("GET", KEYS[i]) or now)) + ARGV[1] * ARGV[2] * 1e6 / rate
        redis.call('SET', KEYS[i], string.format('%.3f', arrives), 'PX', math.ceil((arrives - now) / 1000) + 1000)
    end
end

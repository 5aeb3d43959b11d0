-- Takes a window's tokens from the buckets of account, sender and country: from all three or from none.
-- GCRA as in redis-cell and throttled-py (both take from one key; we need three, and less than was asked for).
-- Only this server's clock decides; all times are whole microseconds. The same decision, explained: deliveries/buckets.py.
-- KEYS: workers, opened, slow, flow, account, sender, country, shut
-- ARGV: worker, worker's life, wanted, cost, burst, settle, regain (µs), rates of account, sender, country (per s, 0: none)
-- Answer: {count, or 0, or -1 (keep to your share); wait µs; workers; limit 0-4; factor × 1e6; shut for µs; base × 1e6}
local COST_MAX, CLOSED_MAX = 32, 3600 * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local life, wanted, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local burst, settle, regain = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local rates = {tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])}

redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - life)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + life, '+inf')
local workers = redis.call('ZCARD', KEYS[1])

-- From `opened` on the buckets are shared, and empty at first. A server that forgot everything opens now.
local opened = tonumber(redis.call('GET', KEYS[2]))
if not opened or opened > now + settle then
    opened = opened and now + settle or now
    redis.call('SET', KEYS[2], string.format('%.0f', opened))
end

local factor, shut, base, empty_until = 1, 0, 0, {opened, opened, opened}
local slow = redis.call('HMGET', KEYS[3], 'factor', 'closed_until', 'base')
if slow[1] then
    local closed_until = math.min(tonumber(slow[2]), now + CLOSED_MAX)
    factor = math.min(1, slow[1] + math.max(0, now - closed_until) / regain)
    shut = math.max(0, closed_until - now)
    base = tonumber(slow[3])
    rates[3] = (rates[3] > 0 and rates[3] or base) * factor
    empty_until[3] = math.max(opened, closed_until)
end
local sender_shut = math.min(tonumber(redis.call('GET', KEYS[8]) or 0) - now, CLOSED_MAX)
if sender_shut > 0 then
    return {0, math.ceil(sender_shut), workers, 4, math.floor(factor * 1e6), shut, math.floor(base * 1e6)}
end
if now < opened then
    return {-1, opened - now, workers, 0, math.floor(factor * 1e6), shut, math.floor(base * 1e6)}
end

local room, least, limit, buckets = wanted, wanted, 0, {}
for i = 1, 3 do
    if rates[i] > 0 then
        local each = cost * 1e6 / rates[i]
        local span = math.max(burst, each)
        local arrives = tonumber(redis.call('GET', KEYS[4 + i])) or now
        arrives = math.min(arrives, now + math.max(burst, COST_MAX * 1e6 / rates[i]))
        arrives = math.max(arrives, now, empty_until[i] + span)
        -- The difference first: microseconds since 1970 leave a double a quarter of one to be wrong by.
        local free = math.max(0, math.floor((span - (arrives - now)) / each + 1e-6))
        local capacity = math.max(1, math.floor(span / each + 1e-6))
        if free < room then room, limit = free, i end
        least = math.min(least, math.ceil(capacity / 4))
        buckets[i] = {arrives, each, span}
    end
end
least = math.max(1, least)

if room < least then
    local wait = 0
    for i, bucket in pairs(buckets) do
        local needed = (bucket[1] - now) + least * bucket[2] - bucket[3]
        if needed > wait then wait, limit = needed, i end
    end
    if limit == 3 and shut > 0 then limit = 4 end
    return {0, math.ceil(wait), workers, limit, math.floor(factor * 1e6), shut, math.floor(base * 1e6)}
end
for i, bucket in pairs(buckets) do
    local arrives = bucket[1] + room * bucket[2]
    redis.call('SET', KEYS[4 + i], string.format('%.3f', arrives), 'PX', math.ceil((arrives - now) / 1000) + 1000)
end
-- What an unlimited lane does in a second: the rate that a 429 would halve.
if rates[3] == 0 then
    local flow = redis.call('HMGET', KEYS[4], 'second', 'count')
    if flow[1] == time[1] then
        redis.call('HINCRBY', KEYS[4], 'count', room * cost)
    else
        redis.call('HSET', KEYS[4], 'second', time[1], 'count', room * cost, 'before', flow[2] or 0)
        redis.call('PEXPIRE', KEYS[4], 10000)
    end
end
return {room, 0, workers, limit, math.floor(factor * 1e6), shut, math.floor(base * 1e6)}

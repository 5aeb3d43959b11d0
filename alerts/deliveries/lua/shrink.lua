-- Slows one sender's one country after a 429: shut for so long, then at half its rate, growing back evenly.
-- The same decision, explained: `slowed` in deliveries/buckets.py.
-- KEYS: slow, flow      ARGV: shut for µs, regain µs      Answer: {factor × 1e6; shut for µs; base × 1e6}
local FACTOR_MIN, CLOSED_MAX = 1 / 64, 3600 * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local until_then, regain = now + tonumber(ARGV[1]), tonumber(ARGV[2])
local slow = redis.call('HMGET', KEYS[1], 'factor', 'closed_until', 'base')
local factor, base = 0.5, tonumber(slow[3])
if slow[1] then
    local closed_until = math.min(tonumber(slow[2]), now + CLOSED_MAX)
    if now < closed_until then
        factor, until_then = tonumber(slow[1]), math.max(until_then, closed_until)
    else
        factor = math.max(FACTOR_MIN, math.min(1, slow[1] + (now - closed_until) / regain) / 2)
    end
else
    local flow = redis.call('HMGET', KEYS[2], 'count', 'before')
    base = math.max(1, tonumber(flow[1] or 0), tonumber(flow[2] or 0))
end
redis.call('HSET', KEYS[1], 'factor', string.format('%.6f', factor), 'closed_until', string.format('%.0f', until_then), 'base', base)
redis.call('PEXPIRE', KEYS[1], math.ceil((until_then - now + (1 - factor) * regain) / 1000))
return {math.floor(factor * 1e6), until_then - now, math.floor(base * 1e6)}

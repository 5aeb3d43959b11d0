-- Puts back what was taken and not used.
-- KEYS: account, sender, country      ARGV: messages, cost, rates of account, sender, country (per s, 0: none)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 1, 3 do
    local rate, arrives = tonumber(ARGV[2 + i]), tonumber(redis.call('GET', KEYS[i]))
    if rate > 0 and arrives then
        arrives = arrives - ARGV[1] * ARGV[2] * 1e6 / rate
        if arrives > now then
            redis.call('SET', KEYS[i], string.format('%.3f', arrives), 'KEEPTTL')
        else
            redis.call('DEL', KEYS[i])
        end
    end
end

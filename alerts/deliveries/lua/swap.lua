-- Writes a value unless somebody wrote another meanwhile.
-- KEYS: value      ARGV: what was read ('' for none), what to write, life in ms      Answer: 1 written, 0 not
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1

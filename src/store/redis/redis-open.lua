-- open: finds the state, or makes an empty one where there is nothing.
-- KEYS[1] records  KEYS[2] log  KEYS[3] operations  KEYS[4] meta
-- ARGV[1] schema that this program writes  ARGV[2] revision before the first commit
-- returns {"found", schema} | {"made", schema} | {"damaged"}: parts of a state, without the counter that they need
local schema = redis.call("HGET", KEYS[4], "schema")
if schema then
  if redis.call("HEXISTS", KEYS[4], "head") == 0 then return { "damaged" } end
  return { "found", schema }
end
if redis.call("EXISTS", KEYS[1], KEYS[2], KEYS[3], KEYS[4]) > 0 then return { "damaged" } end
redis.call("HSET", KEYS[4], "schema", ARGV[1], "head", ARGV[2], "base", ARGV[2], "bytes", "0")
return { "made", ARGV[1] }

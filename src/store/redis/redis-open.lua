-- open: finds the state, or makes an empty one where there is nothing.
-- KEYS[1] records  KEYS[2] log  KEYS[3] operations  KEYS[4] meta
-- ARGV[1] schema that this program writes  ARGV[2] revision before the first commit
-- returns {"found", schema} | {"made", schema} | {"damaged"}: parts of a state, without the counter that they need
--   | {"forbidden", command}: this user may not run it
--
-- A commit that is let do one step and not the next would be torn. Each step is tried on nothing; only a refusal of the
-- user counts, in the words of Redis 6.2, 7.0 and 7.2: what else is wrong passes, or stops a commit before its first step.
local schema = redis.call("HGET", KEYS[4], "schema")
local trials = {
  { "XADD", KEYS[2], "NOMKSTREAM", "0-0", "nonce", "" }, { "HSET", KEYS[4], "schema", schema },
  { "HDEL", KEYS[1], "" }, { "XRANGE", KEYS[2], "-", "-", "COUNT", "1" }, { "XDEL", KEYS[2], "0-1" },
}
for _, words in ipairs(trials) do
  local reply = (schema or words[1] ~= "HSET") and redis.pcall(unpack(words))
  local refusal = type(reply) == "table" and type(reply.err) == "string" and reply.err or ""
  for _, sign in ipairs({ "NOPERM", "can't run this command", "can't access at least one", "no permissions" }) do
    if string.find(refusal, sign, 1, true) then return { "forbidden", words[1] } end
  end
end
if schema then
  if redis.call("HEXISTS", KEYS[4], "head") == 0 then return { "damaged" } end
  return { "found", schema }
end
if redis.call("EXISTS", KEYS[1], KEYS[2], KEYS[3], KEYS[4]) > 0 then return { "damaged" } end
redis.call("HSET", KEYS[4], "schema", ARGV[1], "head", ARGV[2], "base", ARGV[2], "bytes", "0")
return { "made", ARGV[1] }

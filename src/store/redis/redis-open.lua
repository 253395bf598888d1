-- open: finds the state, or makes an empty one where there is nothing and one is wanted.
-- KEYS[1] records  KEYS[2] log  KEYS[3] operations  KEYS[4] meta  KEYS[5] a mark that no commit leaves
-- ARGV[1] schema that this program writes  ARGV[2] revision before the first commit; "" = none is made
-- returns {"found", schema} | {"made", schema} | {"absent"} | {"damaged"}: not all parts of a state
--   | {"forbidden", command}: this user may not run it
--
-- A commit that is let do one step and not the next would be torn. Each command of each script is tried on nothing; only a
-- refusal of the user counts, in the words of Redis 6.2 to 8.2 and Valkey 8 and 9: what else is wrong passes, or stops a
-- commit before its first step.
local records, log, operations, meta, mark = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local signs = { "NOPERM", "can't run this command", "can't access at least one", "no permissions" }
local forbidden
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local refusal = type(reply) == "table" and type(reply.err) == "string" and reply.err or ""
  for _, sign in ipairs(signs) do
    if string.find(refusal, sign, 1, true) then forbidden = forbidden or command end
  end
  return reply
end

local schema = try("HGET", meta, "schema")
local isForeign = type(schema) == "table"
local partCount = try("EXISTS", records, log, operations, meta)
try("GET", mark)
try("SET", mark, "", "XX", "PX", "1")
try("XADD", log, "NOMKSTREAM", "0-0", "nonce", "")
try("XRANGE", log, "-", "-", "COUNT", "1")
try("XDEL", log, "0-1")
try("HDEL", records, "")
try("HLEN", records)
local isThere = schema and not isForeign
if isThere then try("HSET", meta, "schema", schema) end

if not forbidden and not schema and partCount == 0 then
  if ARGV[2] == "" then return { "absent" } end
  local made = try("HSET", meta, "schema", ARGV[1], "head", ARGV[2], "base", ARGV[2], "bytes", "0")
  if not forbidden then return type(made) == "table" and made or { "made", ARGV[1] } end
end
if forbidden then return { "forbidden", forbidden } end
if isForeign then return schema end
if not schema or not wholeHead(records, log, operations, meta) then return { "damaged" } end
return { "found", schema }

-- commit: checks what must still be true, then writes all or nothing, as one revision.
-- KEYS[1] records (hash: key -> "<revision> <JSON>")  KEYS[2] log (stream, ids "<number>-0")
-- KEYS[3] operations (hash: operation id -> revision)
-- KEYS[4] meta (hash: schema, head, base, bytes of the log, records: how many there are)
-- KEYS[5] mark of this nonce (string, expires): the last attempt that was answered "conflict"
-- ARGV[1] operation id  ARGV[2] nonce, the same in each attempt at this commit  ARGV[3] number of the attempt: 1, then more
--   as replies are lost  ARGV[4] wall clock in ms  ARGV[5] history in commits  ARGV[6] history in bytes
-- ARGV[7] most bytes of replaced values  ARGV[8] how many expectations  ARGV[9] how many puts
-- ARGV[10...] expectations: key, revision or ""; then puts: key, JSON; then deletes: key
-- returns {"committed", revision} | {"conflict", key, revision or "", head} | {"too_large", bytes}
--   | {"void"}: a later attempt was answered "conflict" before this one came
--   | {"gone"}: there is no state here, or not all of it
--
-- A script is isolated, but not rolled back. What the user may not send any more fails before the first step, where each command
-- is tried on nothing: HSET before the others, as a script that has written once is let write beyond the memory. The first step
-- is XADD, the only one that can fail else (a log without its counter).
-- Values are handed on as text: cjson would change numbers, empty lists and nothing else we need.
local records, log, operations, meta, mark = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local operation, nonce, attempt, timeMs = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local historyCommits, historyBytes, maxReplaced = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local expectations, puts = tonumber(ARGV[8]), tonumber(ARGV[9])
local firstPut = 10 + 2 * expectations
local firstDelete = firstPut + 2 * puts
local maxTrimmed = 64

local head, base, bytes = wholeHead(records, log, operations, meta)
if not head then return { "gone" } end
local answered = redis.call("HGET", operations, operation)
if answered then return { "committed", answered } end
-- Who was told of a conflict goes on. A copy of the same commit that was on its way all the while must not write any more.
local marked = redis.call("GET", mark)
if marked and attempt <= tonumber(marked) then return { "void" } end

for i = 10, firstPut - 1, 2 do
  local stored = redis.call("HGET", records, ARGV[i])
  local current = stored and string.sub(stored, 1, string.find(stored, " ", 1, true) - 1) or ""
  if current ~= ARGV[i + 1] then
    if attempt > 1 then redis.call("SET", mark, attempt, "PX", 600000) end
    return { "conflict", ARGV[i], current, head }
  end
end

local text, size, replaced = {}, 0, 0
local function jsonBefore(key)
  local stored = redis.call("HGET", records, key)
  if not stored then return nil end
  local json = string.sub(stored, string.find(stored, " ", 1, true) + 1)
  replaced = replaced + #json
  return json
end
local function change(key, value, previous)
  -- A key is printable ASCII: nothing else needs escaping.
  local name = string.gsub(key, '[\\"]', "\\%0")
  text[#text + 1] = '["' .. name .. '",' .. value .. "," .. previous .. "]"
  size = size + #text[#text] + 1
end
for i = firstPut, firstDelete - 1, 2 do
  change(ARGV[i], ARGV[i + 1], jsonBefore(ARGV[i]) or "null")
  if replaced > maxReplaced then return { "too_large", tostring(replaced) } end
end
local deleted = {}
for i = firstDelete, #ARGV do
  local previous = jsonBefore(ARGV[i])
  if replaced > maxReplaced then return { "too_large", tostring(replaced) } end
  if previous then
    change(ARGV[i], "null", previous)
    deleted[#deleted + 1] = ARGV[i]
  end
end

local number = tonumber(string.match(head, "^%d+")) + 1
local revision = string.format("%.0f-%s", number, nonce)
size = size + #operation + 64
redis.call("HSET", meta, "head", head)
redis.call("HDEL", records, "")
redis.call("XRANGE", log, "-", "-", "COUNT", 1)
redis.call("XDEL", log, "0-1")

redis.call("XADD", log, string.format("%.0f-0", number), "nonce", nonce, "previous", head, "timeMs", timeMs,
  "operation", operation, "size", size, "changes", "[" .. table.concat(text, ",") .. "]")
for i = firstPut, firstDelete - 1, 2 do
  redis.call("HSET", records, ARGV[i], revision .. " " .. ARGV[i + 1])
end
for _, key in ipairs(deleted) do redis.call("HDEL", records, key) end
redis.call("HSET", operations, operation, revision)

bytes = bytes + size
local first = tonumber(string.match(base, "^%d+")) + 1
local trimmed, freed = 0, 0
-- Few leave with one commit, but never fewer bytes than it brings: else large commits after small ones would pass the limit.
-- What people took out of the log, or put into it, must not tear a commit.
while (trimmed < maxTrimmed or freed < size) and first < number
  and (number - first + 1 > historyCommits or bytes > historyBytes) do
  local oldest = redis.call("XRANGE", log, "-", "+", "COUNT", 1)[1]
  if tonumber(string.match(oldest[1], "^%d+")) == number then
    base = head
    break
  end
  local fields = { operation = "", size = "0", nonce = "" }
  for i = 1, #oldest[2], 2 do fields[oldest[2][i]] = oldest[2][i + 1] end
  redis.call("XDEL", log, oldest[1])
  redis.call("HDEL", operations, fields.operation)
  local oldSize = tonumber(fields.size) or 0
  bytes, freed = bytes - oldSize, freed + oldSize
  base = string.match(oldest[1], "^%d+") .. "-" .. fields.nonce
  first = first + 1
  trimmed = trimmed + 1
end
redis.call("HSET", meta, "head", revision, "base", base, "bytes", string.format("%.0f", bytes),
  "records", redis.call("HLEN", records))
return { "committed", revision }

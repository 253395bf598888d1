-- read: what the log says after a commit, and where it ends, at one instant.
-- KEYS[1] records  KEYS[2] log (stream)  KEYS[3] operations  KEYS[4] meta (hash)
-- ARGV[1] number of the commit after which to begin  ARGV[2] most entries  ARGV[3] bytes after which to stop
-- returns {head, base, {id, fields}...}; {false, false} if there is no state, or not all of it. Each entry names the commit
--   before it ("previous"): whoever reads compares it with the last one it knows, and so meets neither gap nor repeat nor
--   another past.
local records, log, operations, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local head, base = wholeHead(records, log, operations, meta)
if not head then return { false, false } end
local entries = { head, base }
local after, bytes = ARGV[1] .. "-0", 0
for _ = 1, tonumber(ARGV[2]) do
  -- One by one: XRANGE knows no limit in bytes.
  local entry = redis.call("XRANGE", log, "(" .. after, "+", "COUNT", 1)[1]
  if not entry then break end
  entries[#entries + 1] = entry
  after = entry[1]
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  if bytes >= tonumber(ARGV[3]) then break end
end
return entries

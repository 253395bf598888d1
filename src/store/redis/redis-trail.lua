-- trail: which commits led to one, the newest first.
-- KEYS[1] log (stream, ids "<number>-0")
-- ARGV[1] revision to begin with  ARGV[2] most revisions  ARGV[3] bytes after which to stop
-- returns {revision...}, as far back as the log reaches; {} if that very commit is not in it
local revision, most, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local trail = {}
while #trail < most and bytes > 0 do
  local number = string.match(revision, "^%d+")
  -- One by one: what a commit wrote comes along, and there is no limit to that in bytes.
  local entry = redis.call("XRANGE", KEYS[1], number .. "-0", number .. "-0")[1]
  if not entry then break end
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
    bytes = bytes - #entry[2][i + 1]
  end
  -- A commit of that number, of another past; or somebody's.
  if number .. "-" .. (fields.nonce or "") ~= revision then break end
  trail[#trail + 1] = revision
  revision = fields.previous
end
return trail

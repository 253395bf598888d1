-- whole: stands before each script, for those that must know whether the state is there.
-- Redis evicts key by key, and people delete and rename so: a commit would begin the missing part anew, without a word.
-- returns the latest commit, the one before the oldest in the log, and the bytes of the log; false if there is no state, or
--   not all of it. meta tells how many records the latest commit left.
local function wholeHead(records, log, operations, meta)
  local head, base = redis.call("HGET", meta, "head"), redis.call("HGET", meta, "base")
  local bytes = tonumber(redis.call("HGET", meta, "bytes") or nil)
  local isCounted = head and string.find(head, "^%d+-") and base and string.find(base, "^%d+-") and bytes
  if not isCounted then return false end
  local isNew = tonumber(string.match(head, "^%d+")) == 0
  local isEmpty = (tonumber(redis.call("HGET", meta, "records")) or 0) == 0
  if redis.call("EXISTS", log, operations) < 2 and not isNew then return false end
  if redis.call("HLEN", records) == 0 and not isEmpty then return false end
  return head, base, bytes
end

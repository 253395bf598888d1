-- whole: stands before each script, for those that must know whether the state is there.
-- Redis evicts key by key, and people delete and rename so: a commit would begin the missing part anew, without a word.
-- returns the latest commit; false if there is no state, or not all of it. meta tells how many records the latest one left.
local function wholeHead(records, log, operations, meta)
  local head = redis.call("HGET", meta, "head")
  if not head then return false end
  local isNew = tonumber(string.match(head, "^%d+")) == 0
  local isEmpty = (tonumber(redis.call("HGET", meta, "records")) or 0) == 0
  if redis.call("EXISTS", log, operations) < 2 and not isNew then return false end
  if redis.call("HLEN", records) == 0 and not isEmpty then return false end
  return head
end

-- whole: stands before each script, for those that must know whether the state is there.
-- Redis evicts key by key, and people delete and rename so: a commit would begin the missing part anew, without a word.
-- returns the latest commit; false if there is no state, or not all of it. meta tells how many records the latest one left.
local function wholeHead(records, log, operations, meta)
  local head = redis.call("HGET", meta, "head")
  if not head then return false end
  local expected = tonumber(string.match(head, "^%d+")) > 0 and 2 or 0
  if (tonumber(redis.call("HGET", meta, "records")) or 0) > 0 then expected = expected + 1 end
  return redis.call("EXISTS", records, log, operations) >= expected and head
end

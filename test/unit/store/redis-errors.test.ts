/** How Redis says no, in the words of its versions, and what becomes of it. Only some of it can be provoked on one server. */
import { describe, expect, it } from "@jest/globals";
import {
  ConnectionLostError,
  isPassing,
  RefusedError,
  toRedisStoreError,
} from "../../../src/store/redis/redis-errors.js";

describe("what Redis refuses", () => {
  it.each([
    ["READONLY You can't write against a read only replica.", "STATE_READ_ONLY", true],
    [
      "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
      "STATE_READ_ONLY",
      false,
    ],
    [
      "OOM command not allowed when used memory > 'maxmemory'. script: f0, on @user_script:61.",
      "DISK_FULL",
      false,
    ],
    [
      "ERR Error running script (call to f_8a): @user_script:61: @user_script: 61: -OOM command not allowed when used",
      "DISK_FULL",
      false,
    ],
    [
      "ERR Error running script (call to f_8a): @user_script:61: @user_script: 61: -READONLY You can't write against",
      "STATE_READ_ONLY",
      true,
    ],
    ["LOADING Redis is loading the dataset in memory", "STATE_STORE_UNAVAILABLE", true],
    ["BUSY Redis is busy running a script. You can only call SCRIPT KILL", "STATE_STORE_UNAVAILABLE", true],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data", "STATE_STORE_UNAVAILABLE", true],
    ["NOREPLICAS Not enough good replicas to write.", "STATE_STORE_UNAVAILABLE", true],
    ["CLUSTERDOWN Hash slot not served", "STATE_STORE_UNAVAILABLE", true],
    ["MOVED 3999 127.0.0.1:6381", "STATE_STORE_UNAVAILABLE", false],
    ["NOAUTH Authentication required.", "STATE_STORE_UNAVAILABLE", false],
    ["WRONGPASS invalid username-password pair or user is disabled.", "STATE_STORE_UNAVAILABLE", false],
    ["NOPERM this user has no permissions to run the 'evalsha' command", "STATE_STORE_UNAVAILABLE", false],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "STATE_UNREADABLE", false],
    [
      "ERR The ID specified in XADD is equal or smaller than the target stream top item",
      "STATE_UNREADABLE",
      false,
    ],
    ["ERR unknown command 'EVALSHA'", "STATE_STORE_UNAVAILABLE", false],
  ])("%p is %s", (text, reason, passes) => {
    const error = new RefusedError(text);
    expect(toRedisStoreError(error).reason).toBe(reason);
    expect(isPassing(error)).toBe(passes);
  });

  it("is told in words of ours, and what is unknown in a short piece of Redis's own", () => {
    expect(toRedisStoreError(new RefusedError("OOM command not allowed")).message).toBe(
      "Redis has no memory left (maxmemory)",
    );
    expect(toRedisStoreError(new RefusedError(`ERR odd ${"x".repeat(1_000)}`)).message.length).toBeLessThan(
      250,
    );
  });
});

describe("a lost connection", () => {
  it("may pass, and is told as one", () => {
    const error = new ConnectionLostError("ECONNRESET", true);
    expect(isPassing(error)).toBe(true);
    expect(toRedisStoreError(error)).toMatchObject({
      reason: "STATE_STORE_UNAVAILABLE",
      message: "Redis does not answer (ECONNRESET)",
    });
  });
});

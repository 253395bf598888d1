import { describe, expect, it } from "@jest/globals";
import { StandingLog, standingLineMs } from "../../../src/app/standing-log.js";
import type { StoreStats } from "../../../src/app/state.js";
import { type LogFields, silentLogger } from "../../../src/observability/logger.js";
import { FakeClock } from "../../support/fake-clock.js";

const none: StoreStats = {
  commits: 0,
  conflicts: 0,
  repeats: 0,
  failures: 0,
  reconnects: 0,
  lagMs: undefined,
};

function watched(first: StoreStats | undefined) {
  const lines: LogFields[] = [];
  const now = { stats: first };
  const clock = new FakeClock();
  const log = new StandingLog(
    () => now.stats,
    { ...silentLogger, info: (fields) => lines.push(fields) },
    clock,
  );
  return { lines, now, clock, log };
}

describe("the counters of a shared state in the log", () => {
  it("are a line a minute while they change, and none while nothing but the lag does", async () => {
    const { lines, now, clock } = watched(none);
    now.stats = { ...none, commits: 1, conflicts: 2, lagMs: 3 };
    await clock.advance(standingLineMs);
    now.stats = { ...now.stats, lagMs: 4 };
    await clock.advance(5 * standingLineMs);
    now.stats = { ...now.stats, reconnects: 1 };
    await clock.advance(standingLineMs);
    expect(lines).toEqual([
      { ...none, commits: 1, conflicts: 2, lagMs: 3 },
      { ...none, commits: 1, conflicts: 2, reconnects: 1, lagMs: 4 },
    ]);
  });

  it("are told when asked for and at the end, and leave no timer", () => {
    const { lines, now, clock, log } = watched(none);
    now.stats = { ...none, reconnects: 2 };
    log.tell();
    log.tell();
    now.stats = { ...none, failures: 1 };
    log.close();
    expect(lines).toEqual([
      { ...none, reconnects: 2 },
      { ...none, failures: 1 },
    ]);
    expect(clock.timerCount).toBe(0);
  });

  it("are none where the state is embedded", async () => {
    const { lines, clock, log } = watched(undefined);
    expect(clock.timerCount).toBe(0);
    log.close();
    expect(lines).toEqual([]);
  });
});

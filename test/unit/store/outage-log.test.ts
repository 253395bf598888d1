import { describe, expect, it } from "@jest/globals";
import { type LogFields, type Logger, silentLogger } from "../../../src/observability/logger.js";
import { OutageLog, outageLineMs } from "../../../src/store/outage-log.js";
import { FakeClock } from "../../support/fake-clock.js";

interface Line extends LogFields {
  readonly level: "warn" | "info";
}

function watched(): { clock: FakeClock; outages: OutageLog; lines: Line[] } {
  const lines: Line[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (fields) => lines.push({ level: "warn", ...fields }),
    info: (fields) => lines.push({ level: "info", ...fields }),
  };
  const clock = new FakeClock();
  return { clock, outages: new OutageLog(logger, clock), lines };
}

const failure = new Error("gone");

describe("an outage in the log", () => {
  it("is a line at its beginning with the cause, one a minute without, and one at its end", async () => {
    const { clock, outages, lines } = watched();
    for (let second = 0; second < 150; second += 1) {
      outages.failed(failure, "away");
      await clock.advance(1_000);
    }
    outages.answered();
    outages.answered();
    expect(lines).toEqual([
      { level: "warn", err: failure, forMs: 0, failureCount: 1 },
      { level: "warn", error: "gone", forMs: outageLineMs, failureCount: 61 },
      { level: "warn", error: "gone", forMs: 2 * outageLineMs, failureCount: 121 },
      { level: "info", forMs: 150_000, failureCount: 150 },
    ]);
  });

  it("goes on when the store answers for a moment only", async () => {
    const { clock, outages, lines } = watched();
    for (let round = 0; round < 50; round += 1) {
      outages.failed(failure, "away");
      await clock.advance(100);
      outages.answered();
      await clock.advance(100);
    }
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info"]);
  });

  it("is told of again once the store has been back", async () => {
    const { clock, outages, lines } = watched();
    outages.failed(failure, "away");
    outages.answered();
    await clock.advance(5_000);
    outages.failed(failure, "away");
    outages.answered();
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info", "warn", "info"]);
  });

  it("is told of by nobody while the store answers", () => {
    const { outages, lines } = watched();
    outages.answered();
    expect(lines).toEqual([]);
  });
});

import { describe, expect, it } from "@jest/globals";
import { createLine } from "../../src/devnet/line.js";
import { createTokenBucket } from "../../src/devnet/token-bucket.js";

/** A clock that tests move. */
interface Clock {
  ms: number;
}

/** Sends a chunk again and again, each after its wait and `lateMs` more. @returns bytes that passed by `untilMs` */
function passUntil(untilMs: number, clock: Clock, mbps: number, chunkBytes: number, lateMs = 0): number {
  const bucket = createTokenBucket(mbps, () => clock.ms);
  let bytes = 0;
  for (;;) {
    const waitMs = bucket.takeMs(chunkBytes);
    clock.ms += waitMs === 0 ? 0 : waitMs + lateMs;
    if (clock.ms > untilMs) return bytes;
    bytes += chunkBytes;
  }
}

describe("a token bucket", () => {
  it.each([
    [1, 1_250],
    [100, 65_536],
    [1_000, 262_144],
  ])("lets %d Mbit/s pass within a second, to a chunk of %d bytes", (mbps, chunkBytes) => {
    const bytes = passUntil(1_000, { ms: 0 }, mbps, chunkBytes);
    expect(Math.abs(bytes - mbps * 125_000)).toBeLessThanOrEqual(chunkBytes);
  });

  it("makes up for timers that are late", () => {
    const onTime = passUntil(2_000, { ms: 0 }, 100, 65_536);
    const late = passUntil(2_000, { ms: 0 }, 100, 65_536, 15);
    expect(onTime - late).toBeLessThanOrEqual(3 * 65_536);
  });

  it("is empty when new and after a pause: the first bytes wait like all others", () => {
    const clock = { ms: 5_000 };
    const bucket = createTokenBucket(8, () => clock.ms);
    expect(bucket.takeMs(1_000)).toBe(1);
    clock.ms += 60_000;
    expect(bucket.takeMs(1_000_000)).toBe(1_000);
  });

  it("makes transfers of one node share the rate, first come first served", () => {
    const bucket = createTokenBucket(8, () => 0);
    expect([1_000, 2_000, 3_000].map((bytes) => bucket.takeMs(bytes))).toEqual([1, 3, 6]);
  });
});

describe("a node's line", () => {
  it("takes pieces of at most 10 ms, so that a slow rate is even, and never none", () => {
    const pieceOf = (mbps: number | undefined): number => createLine(mbps, () => 0).pieceBytes;
    expect([0.001, 1, 100, 10_000, undefined].map(pieceOf)).toEqual([1, 1_250, 125_000, 262_144, 262_144]);
  });

  it("lets bytes pass after the bucket's wait", async () => {
    let nowMs = 0;
    const line = createLine(8, () => nowMs);
    const begun = performance.now();
    await line.pass(30_000);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(29);
    nowMs = 30;
    await line.pass(1);
  });
});

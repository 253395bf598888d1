import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type VisitHandle,
  VisitQueue,
  type VisitQueueOptions,
} from "../../../../src/p2p/crawl/visit-queue.js";
import { FakeClock, settle } from "../../../support/fake-clock.js";

/** A queue whose visits last until a test ends them. */
class Bench {
  readonly clock = new FakeClock();
  readonly begun: string[] = [];
  readonly handles = new Map<string, VisitHandle>();
  idleCount = 0;
  readonly queue: VisitQueue;
  readonly #ends = new Map<string, () => void>();

  constructor(options: Partial<VisitQueueOptions> = {}) {
    this.queue = new VisitQueue(
      { maxConcurrency: 2, maxSockets: 4, silenceMs: 500, clock: this.clock, ...options },
      () => void (this.idleCount += 1),
    );
  }

  add(...keys: string[]): void {
    for (const key of keys) {
      this.queue.add(key, (handle) => {
        this.begun.push(key);
        this.handles.set(key, handle);
        return new Promise((resolve) => this.#ends.set(key, resolve));
      });
    }
  }

  handle(key: string): VisitHandle {
    return this.handles.get(key)!;
  }

  async end(...keys: string[]): Promise<void> {
    for (const key of keys) this.#ends.get(key)!();
    await settle();
  }
}

describe("a queue of visits", () => {
  it("begins visits in order, as many at once as there are places", async () => {
    const bench = new Bench();
    bench.add("a", "b", "c", "d");
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.queue.counts).toEqual({ queued: 2, inFlight: 2, done: 0 });
    await bench.end("b");
    expect(bench.begun).toEqual(["a", "b", "c"]);
    expect(bench.queue.counts).toEqual({ queued: 1, inFlight: 2, done: 1 });
  });

  it("takes the place of a visit that has been silent for so long, which goes on", async () => {
    const bench = new Bench();
    bench.add("a", "b", "c");
    await bench.clock.advance(400);
    expect(bench.begun).toEqual(["a", "b"]);
    bench.handle("b").touch();
    await bench.clock.advance(200);
    expect(bench.begun).toEqual(["a", "b", "c"]);
    expect(bench.handle("a").signal.aborted).toBe(false);
    expect(bench.queue.counts.inFlight).toBe(3);
  });

  it("begins nothing new while a visit that spoke again has no room", async () => {
    const bench = new Bench();
    bench.add("a", "b", "c", "d", "e");
    await bench.clock.advance(500);
    expect(bench.begun).toEqual(["a", "b", "c", "d"]);
    bench.handle("a").touch();
    await bench.end("c");
    expect(bench.begun).not.toContain("e");
    await bench.end("d");
    expect(bench.begun).toContain("e");
  });

  it("has at most so many visits under way, silent ones included", async () => {
    const bench = new Bench({ maxSockets: 3 });
    bench.add("a", "b", "c", "d");
    await bench.clock.advance(5_000);
    expect(bench.begun).toEqual(["a", "b", "c"]);
    await bench.end("a");
    expect(bench.begun).toEqual(["a", "b", "c", "d"]);
  });

  it("takes the place of a visit that rests at once, until it goes on", async () => {
    const bench = new Bench({ maxConcurrency: 1 });
    bench.add("a", "b", "c");
    bench.handle("a").rest();
    expect(bench.begun).toEqual(["a", "b"]);
    bench.handle("a").touch();
    await bench.end("b");
    expect(bench.begun).toEqual(["a", "b"]);
    await bench.end("a");
    expect(bench.begun).toEqual(["a", "b", "c"]);
  });

  it("ignores a sign that comes after a visit's end", async () => {
    const bench = new Bench({ maxConcurrency: 1 });
    bench.add("a");
    await bench.end("a");
    bench.handle("a").touch();
    bench.add("b");
    expect(bench.begun).toEqual(["a", "b"]);
  });

  it("ends one visit by its key and no other", () => {
    const bench = new Bench();
    bench.add("a", "b", "c");
    bench.queue.cancel("a");
    bench.queue.cancel("c");
    bench.queue.cancel("nobody");
    expect(["a", "b"].map((key) => bench.handle(key).signal.aborted)).toEqual([true, false]);
  });

  it("drops and ends everything when it closes, and takes nothing more", async () => {
    const bench = new Bench();
    bench.add("a", "b", "c");
    bench.queue.close();
    bench.add("d");
    expect(["a", "b"].map((key) => bench.handle(key).signal.aborted)).toEqual([true, true]);
    await bench.end("a", "b");
    expect(bench.begun).toEqual(["a", "b"]);
    expect(bench.queue.counts).toEqual({ queued: 0, inFlight: 0, done: 2 });
  });

  it("says that it is idle once nothing is left, and keeps no timer", async () => {
    const bench = new Bench();
    bench.add("a", "b", "c");
    await bench.end("a", "b");
    expect(bench.idleCount).toBe(0);
    await bench.end("c");
    expect([bench.idleCount, bench.clock.timerCount]).toEqual([1, 0]);
  });

  it("never holds more places than it has, never loses one, and ends, whatever visits do", async () => {
    const step = fc.record({ what: fc.constantFrom("end", "touch", "rest", "wait"), who: fc.nat(11) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const bench = new Bench({ maxConcurrency: 3, maxSockets: 5 });
        const keys = Array.from({ length: 12 }, (_, n) => `v${n}`);
        bench.add(...keys);
        for (const { what, who } of steps) {
          const key = bench.begun[who % bench.begun.length]!;
          if (what === "end") await bench.end(key);
          else if (what === "wait") await bench.clock.advance(600);
          else bench.handle(key)[what]();
          expect(bench.queue.counts.inFlight).toBeLessThanOrEqual(5);
        }
        while (bench.queue.counts.inFlight > 0) await bench.end(...bench.begun);
        expect(bench.begun).toEqual(keys);
        expect(bench.queue.counts).toEqual({ queued: 0, inFlight: 0, done: 12 });
        // All places are free again: a fresh load fills exactly three.
        bench.add("x", "y", "z", "w");
        expect(bench.queue.counts).toMatchObject({ queued: 1, inFlight: 3 });
      }),
      { numRuns: 60 },
    );
  });
});

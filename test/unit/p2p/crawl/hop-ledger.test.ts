import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { HopLedger } from "../../../../src/p2p/crawl/hop-ledger.js";

function aLedger(): { ledger: HopLedger; news: string[]; at: { ms: number } } {
  const news: string[] = [];
  const at = { ms: 0 };
  const ledger = new HopLedger(() => at.ms, {
    started: (hop) => void news.push(`+${hop}`),
    completed: (hop, newCount, failedCount, elapsedMs) =>
      void news.push(`-${hop} new ${newCount} failed ${failedCount} after ${elapsedMs}`),
  });
  return { ledger, news, at };
}

describe("the hops of a crawl", () => {
  it("begin with their first step and end with their last, one after the other", () => {
    const { ledger, news, at } = aLedger();
    ledger.begin(0);
    ledger.open(0, 2);
    ledger.open(1);
    ledger.countNew(1);
    at.ms = 5;
    ledger.done(1, true);
    ledger.done(0, false);
    expect(news).toEqual(["+0", "+1"]);
    at.ms = 7;
    ledger.done(0, true);
    expect(news).toEqual(["+0", "+1", "-0 new 0 failed 1 after 7", "-1 new 1 failed 1 after 7"]);
  });

  it("end at once where there is nothing to do", () => {
    const { ledger, news } = aLedger();
    ledger.begin(0);
    ledger.complete();
    ledger.complete();
    expect(news).toEqual(["+0", "-0 new 0 failed 0 after 0"]);
  });

  it("are closed when a crawl ends early", () => {
    const { ledger, news } = aLedger();
    ledger.open(0, 3);
    ledger.open(1, 2);
    ledger.closeAll();
    ledger.closeAll();
    expect(news.map((line) => line.slice(0, 2))).toEqual(["+0", "+1", "-0", "-1"]);
  });

  it("tell how many steps are open and done", () => {
    const { ledger } = aLedger();
    ledger.open(0, 3);
    ledger.done(0, false);
    expect(ledger.countsOf(0)).toEqual({ open: 2, done: 1 });
    expect(ledger.countsOf(4)).toEqual({ open: 0, done: 0 });
    expect(ledger.highestHop).toBe(0);
  });

  it("start before and complete after everything that belongs to them, in order and once, for any steps", () => {
    // A step of hop h may bring steps of hop h, when it is an exchange, and of hop h + 1, when it is a probe.
    const anyStep = fc.record({ pick: fc.nat(), same: fc.nat(3), next: fc.nat(3), fails: fc.boolean() });
    fc.assert(
      fc.property(fc.nat(4), fc.array(anyStep, { maxLength: 60 }), (first, steps) => {
        const { ledger, news } = aLedger();
        const open: { hop: number; isProbe: boolean }[] = [];
        const openStep = (hop: number, isProbe: boolean): void => {
          ledger.open(hop);
          open.push({ hop, isProbe });
        };
        ledger.begin(0);
        for (let n = 0; n < first; n += 1) openStep(0, true);
        const end = (
          { same, next, fails }: { same: number; next: number; fails: boolean },
          at: number,
        ): void => {
          const [step] = open.splice(at, 1);
          const { hop, isProbe } = step!;
          if (!isProbe) for (let n = 0; n < same; n += 1) openStep(hop, true);
          if (isProbe && next > 0) openStep(hop + 1, false);
          // An event of the step itself, said before its end.
          news.push(`event ${hop}`);
          ledger.done(hop, fails);
        };
        for (const step of steps) if (open.length > 0) end(step, step.pick % open.length);
        while (open.length > 0) end({ same: 0, next: 0, fails: false }, 0);
        ledger.complete();

        const lines = news.map((line) => line.split(" new")[0]!);
        const started = lines.filter((line) => line.startsWith("+"));
        expect(started).toEqual(started.map((_, hop) => `+${hop}`));
        expect(lines.filter((line) => line.startsWith("-"))).toEqual(started.map((_, hop) => `-${hop}`));
        for (const [hop] of started.entries()) {
          const own = lines.flatMap((line, at) => (line === `event ${hop}` ? [at] : []));
          expect(own.every((at) => at > lines.indexOf(`+${hop}`) && at < lines.indexOf(`-${hop}`))).toBe(
            true,
          );
          expect(lines.indexOf(`+${hop}`)).toBeLessThan(lines.indexOf(`-${hop}`));
        }
      }),
      { numRuns: 500 },
    );
  });
});

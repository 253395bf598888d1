import { describe, expect, it } from "@jest/globals";
import { CrawlBench } from "../../support/crawl-bench.js";
import { aRecord, anAddress, aRow, someSpecs } from "../../support/peers.js";

const remote = { caller: "remote" } as const;
const address = anAddress(1, 9_000);
const name = "nodes/45.0.0.1:9000";

function aNodeInTheTable(): CrawlBench {
  const bench = new CrawlBench();
  bench.know(bench.network.add(address));
  return bench;
}

const askedCount = (bench: CrawlBench): number => bench.network.called("specs").length;

describe("a node whose specs may have an age", () => {
  it("is not asked for what it told a probe", async () => {
    const bench = aNodeInTheTable();
    await bench.crawl();
    const { observeTimeMs } = bench.nodes.get("45.0.0.1:9000")!.specs!;
    await bench.clock.advance(5_000);
    const specs = await bench.service.specs(name, { ...remote, maxAgeMs: 3_600_000 });
    expect([specs.observeTimeMs, askedCount(bench)]).toEqual([observeTimeMs, 0]);
  });

  it("is asked once the age is reached, and then not until it is reached again", async () => {
    const bench = aNodeInTheTable();
    const options = { ...remote, maxAgeMs: 1_000 };
    await bench.service.specs(name, options);
    await bench.clock.advance(999);
    await bench.service.specs(name, options);
    expect(askedCount(bench)).toBe(1);
    await bench.clock.advance(1);
    const { observeTimeMs } = await bench.service.specs(name, options);
    expect([observeTimeMs, askedCount(bench)]).toEqual([bench.clock.nowMs(), 2]);
    await bench.service.specs(name, options);
    expect(askedCount(bench)).toBe(2);
  });

  it("is asked in any case when no age is given, or none at all", async () => {
    const bench = aNodeInTheTable();
    for (const options of [remote, { ...remote, maxAgeMs: 0 }, { ...remote, maxAgeMs: undefined }])
      await bench.service.specs(name, options);
    expect(askedCount(bench)).toBe(3);
  });

  it("is asked when its answer seems to come from the future", async () => {
    const bench = aNodeInTheTable();
    const specs = { ...someSpecs, observeTimeMs: bench.clock.nowMs() + 60_000 };
    bench.know(aRecord({ row: aRow({ address }), specs }));
    await bench.service.specs(name, { ...remote, maxAgeMs: 3_600_000 });
    expect(askedCount(bench)).toBe(1);
  });

  it("must stand in the table all the same, unless an operator asks", async () => {
    const bench = new CrawlBench();
    bench.network.add(address);
    const asked = bench.service.specs(name, { ...remote, maxAgeMs: 1_000 });
    await expect(asked).rejects.toMatchObject({ reason: "NODE_NOT_FOUND" });
    await bench.service.specs(name, { caller: "operator", maxAgeMs: 1_000 });
    expect(askedCount(bench)).toBe(1);
  });
});

import { describe, expect, it } from "@jest/globals";
import { crawlLimits } from "../../../../src/p2p/limits.js";
import { judge, quarantineLimits } from "../../../../src/p2p/crawl/quarantine.js";
import { bodies, CrawlBench } from "../../../support/crawl-bench.js";
import { aRow, anAddress } from "../../../support/peers.js";

const honest = { rowCount: 100, forbiddenRowCount: 0, askedCount: 0, silentCount: 0 };
const row = (n: number, port = 9_000) => aRow({ address: anAddress(n, port) });

describe("the judgement of a table", () => {
  it("holds nothing against a few forbidden rows, nor against as many as honest ones", () => {
    expect(judge({ ...honest, rowCount: 31, forbiddenRowCount: 31 })).toBeUndefined();
    expect(judge({ ...honest, rowCount: 64, forbiddenRowCount: 32 })).toBeUndefined();
    expect(judge({ ...honest, rowCount: 63, forbiddenRowCount: 32 })).toBe("FORBIDDEN_ROWS");
  });

  it("holds nothing against a few dead rows, nor where one in ten answers", () => {
    expect(judge({ ...honest, askedCount: 31, silentCount: 31 })).toBeUndefined();
    expect(judge({ ...honest, askedCount: 40, silentCount: 36 })).toBeUndefined();
    expect(judge({ ...honest, askedCount: 40, silentCount: 37 })).toBe("DEAD_ROWS");
  });
});

describe("a node that offers victims", () => {
  /** A liar in the local table, beside an honest node that names one more. */
  function poisoned(victimCount: number): CrawlBench {
    const bench = new CrawlBench();
    const victims = Array.from({ length: victimCount }, (_, n) => row(1_000 + n));
    bench.know(bench.network.add(anAddress(0, 9_000), { rows: victims }));
    bench.know(bench.network.add(anAddress(1, 9_000), { rows: [row(2)], exchange: { delayMs: 50 } }));
    bench.network.add(anAddress(2, 9_000));
    return bench;
  }

  it("makes us contact no more of them than one reporter may name, and is put in quarantine", async () => {
    const bench = poisoned(4_000);
    const events = await bench.crawl();
    const { maxNodesPerReporter } = crawlLimits;
    expect(bodies(events, "tableFetched")[0]!.rejected.get("REPORTER_FULL")).toBe(
      4_000 - maxNodesPerReporter,
    );
    expect(bodies(events, "nodeFailed")).toHaveLength(maxNodesPerReporter);
    const liar = bench.nodes.get("0.0.0.0") ?? [...bench.nodes.values()][0]!;
    expect(liar).toMatchObject({ state: "QUARANTINED", quarantine: { reason: "DEAD_ROWS" } });
    expect([...bench.nodes.values()].filter(({ state }) => state === "ACTIVE")).toHaveLength(2);
  });

  it("is probed in the next crawl, but neither asked nor told of to others, until its time is over", async () => {
    const bench = poisoned(64);
    await bench.crawl();
    const events = await bench.crawl();
    const asked = bodies(events, "tableFetched").map(({ node }) => node);
    expect(asked).not.toContain(`nodes/${anAddress(0).host}:9000`);
    const probed = bodies(events, "nodeProbed").map(({ node }) => [node.name, node.state, node.stateReason]);
    expect(probed).toContainEqual([`nodes/${anAddress(0).host}:9000`, "QUARANTINED", "DEAD_ROWS"]);
    await bench.clock.advance(quarantineLimits.quarantineMs);
    const later = await bench.crawl();
    expect(bodies(later, "tableFetched").map(({ node }) => node)).toContain(
      `nodes/${anAddress(0).host}:9000`,
    );
  });
});

describe("nodes at one address", () => {
  it("are met up to a limit, as a proxy has many and a port scan would need more", async () => {
    const bench = new CrawlBench();
    const ports = Array.from({ length: 200 }, (_, n) => row(5, 10_000 + n));
    for (const { address } of ports) bench.network.add(address);
    bench.know(bench.network.add(anAddress(0, 9_000), { rows: ports }));
    const events = await bench.crawl();
    expect(bodies(events, "tableFetched")[0]!.rejected.get("ADDRESS_FULL")).toBe(
      200 - crawlLimits.maxNodesPerAddress,
    );
    expect(bodies(events, "nodeProbed")).toHaveLength(1 + crawlLimits.maxNodesPerAddress);
  });
});

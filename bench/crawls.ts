import { startDevnetProcess } from "../src/devnet/devnet-process.js";
import type { DevnetOptions } from "../src/devnet/contract.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

/** Requests a crawl makes to one node: three round trips of its probe, one exchange. */
const requestsPerVisit = 4;
const inFlight = 256;

interface CrawlTimes {
  readonly wallMs: number;
  readonly firstEventMs: number;
  readonly activeCount: number;
}

async function timeCrawl(
  { client }: ServedGateway,
  maxHops: number,
  seeds: readonly string[],
): Promise<CrawlTimes> {
  const startMs = performance.now();
  let firstEventMs = Number.NaN;
  let activeCount = 0;
  for await (const { event } of client.updateIpTable({ maxHops, seedAddresses: [...seeds] })) {
    if (Number.isNaN(firstEventMs)) firstEventMs = performance.now() - startMs;
    if (event.case === "completed") activeCount = event.value.activeCount;
  }
  return { wallMs: performance.now() - startMs, firstEventMs, activeCount };
}

/** Opens a devnet and a gateway, each in a process of its own, runs `measure`, and closes both. */
async function onDevnet<T>(
  options: DevnetOptions,
  measure: (gateway: ServedGateway, entry: readonly string[]) => Promise<T>,
): Promise<T> {
  const devnet = await startDevnetProcess(options);
  const gateway = await serveGateway();
  try {
    return await measure(gateway, devnet.entryAddresses);
  } finally {
    await gateway.close();
    await devnet.close();
  }
}

/** A large network: cold is the first crawl of a process from two entry nodes, warm a later one from the full table. */
export async function benchLargeCrawl(nodes: number, runs: number): Promise<BenchRow[]> {
  const delayMs = 50;
  const options: DevnetOptions = { nodes, delayMs, seed: 7, rowsPerTable: 20 };
  const cold: CrawlTimes[] = [];
  const warm: CrawlTimes[] = [];
  for (let run = 0; run < runs; run += 1) {
    await onDevnet(options, async (gateway, entry) => {
      cold.push(await timeCrawl(gateway, 10, entry));
      for (let again = 0; again < 3; again += 1) warm.push(await timeCrawl(gateway, 10, entry));
    });
  }
  const missed = [...cold, ...warm].filter(({ activeCount }) => activeCount !== nodes);
  if (missed.length > 0) throw new Error(`${missed.length} crawls did not find all ${nodes} nodes`);
  const floorMs = ((nodes * requestsPerVisit) / Math.min(inFlight, nodes)) * delayMs;
  const against = `floor: ${nodes * requestsPerVisit} requests / ${Math.min(inFlight, nodes)} x ${delayMs} ms`;
  const wall = (crawls: readonly CrawlTimes[]): number[] => crawls.map(({ wallMs }) => wallMs);
  const first = [...cold, ...warm].map(({ firstEventMs }) => firstEventMs);
  return [
    rowOf({ name: `crawl of ${nodes} nodes, warm`, unit: "ms", against, target: "<= 2" }, wall(warm), [
      floorMs,
    ]),
    rowOf({ name: `crawl of ${nodes} nodes, cold`, unit: "ms", against, target: "<= 3.5" }, wall(cold), [
      floorMs,
    ]),
    rowOf({ name: "first event of a crawl", unit: "ms", against: "200 ms", target: "<= 1" }, first, [200]),
  ];
}

/** A chain: each hop can only begin when the one before has told the next node. */
export async function benchChain(depth: number, runs: number): Promise<BenchRow> {
  const delayMs = 50;
  const oneVisit = await onDevnet({ nodes: 2, delayMs, shape: "chain" }, async (gateway, entry) => {
    await timeCrawl(gateway, 1, entry);
    const times: number[] = [];
    // One visit is what a crawl of one hop takes beyond probing the node that the hop finds.
    for (let run = 0; run < runs; run += 1) times.push((await timeCrawl(gateway, 1, entry)).wallMs);
    return times;
  });
  const chain: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await onDevnet({ nodes: depth + 1, delayMs, shape: "chain" }, async (gateway, entry) => {
      await timeCrawl(gateway, 0, entry);
      chain.push((await timeCrawl(gateway, depth, entry)).wallMs);
    });
  }
  const against = `${depth} x one visit`;
  const name = `chain of ${depth} hops`;
  return rowOf(
    { name, unit: "ms", against, target: "<= 1.3" },
    chain,
    oneVisit.map((ms) => ms * depth),
  );
}

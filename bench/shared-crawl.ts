/** Many callers of one crawl: what they cost the nodes, and what they cost each other. */
import { startDevnetProcess } from "../src/devnet/devnet-process.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

/** Callers come on so many connections, as from as many programs. */
const connections = 10;

interface Shared {
  /** Until the last caller has read the last event. */
  readonly wallMs: number;
  readonly requestCount: number;
}

export async function benchSharedCrawl(nodes: number, callers: number, runs: number): Promise<BenchRow[]> {
  const alone: Shared[] = [];
  const together: Shared[] = [];
  const devnet = await startDevnetProcess({ nodes, delayMs: 50, seed: 7, rowsPerTable: 20 });
  const measure = async (callerCount: number): Promise<Shared> => {
    const before = (await devnet.calls()).length;
    const gateway = await serveGateway();
    try {
      const startMs = performance.now();
      await crawlTogether(gateway, callerCount, devnet.entryAddresses, nodes);
      const wallMs = performance.now() - startMs;
      return { wallMs, requestCount: (await devnet.calls()).length - before };
    } finally {
      await gateway.close();
    }
  };
  try {
    for (let run = 0; run < runs; run += 1) {
      alone.push(await measure(1));
      together.push(await measure(callers));
    }
  } finally {
    await devnet.close();
  }
  const of = (crawls: readonly Shared[], key: keyof Shared): number[] => crawls.map((crawl) => crawl[key]);
  const name = `${callers} callers of one crawl of ${nodes} nodes`;
  const against = "one caller";
  return [
    rowOf(
      { name: `${name}, to the nodes`, unit: "requests", against, target: "= 1" },
      of(together, "requestCount"),
      of(alone, "requestCount"),
    ),
    rowOf({ name, unit: "ms", against, target: "<= 1.2" }, of(together, "wallMs"), of(alone, "wallMs")),
  ];
}

/** All callers ask to join at once: the first one to come finds no crawl and starts it. */
async function crawlTogether(
  gateway: ServedGateway,
  callerCount: number,
  entry: readonly string[],
  nodes: number,
): Promise<void> {
  const clients = Array.from({ length: Math.min(connections, callerCount) }, () => gateway.connect());
  const callers = Array.from({ length: callerCount }, (_, index) => clients[index % clients.length]);
  await Promise.all(
    callers.map(async (client = gateway.client) => {
      let last = 0n;
      let activeCount = 0;
      for await (const { sequence, event } of client.updateIpTable({
        maxHops: 10,
        seedAddresses: [...entry],
        joinRunning: true,
      })) {
        if (sequence !== last + 1n) throw new Error(`a caller missed the event after ${last}`);
        last = sequence;
        if (event.case === "completed") ({ activeCount } = event.value);
      }
      if (activeCount !== nodes) throw new Error(`a caller saw ${activeCount} of ${nodes} nodes`);
    }),
  );
}

/** How long one hostile table makes everybody else wait: the gateway has one event loop. */
import { startDevnetProcess } from "../src/devnet/devnet-process.js";
import type { FaultPlan } from "../src/devnet/faults.js";
import { serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

const nodes = 20;

export async function benchStalls(runs: number): Promise<BenchRow> {
  const healthy: number[] = [];
  const hostile: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    healthy.push(await longestStallMs({}));
    hostile.push(await longestStallMs({ "million-rows": 1 }));
  }
  const name = "longest stall, a table of 1,000,000 rows among others";
  return rowOf(
    { name, unit: "ms", against: "honest tables only", target: "value < 50 ms" },
    hostile,
    healthy,
  );
}

async function longestStallMs(faults: FaultPlan): Promise<number> {
  const devnet = await startDevnetProcess({ nodes, seed: 7, faults });
  const gateway = await serveGateway();
  try {
    const crawl = async (): Promise<number> => {
      let largestTable = 0;
      const request = { maxHops: 10, seedAddresses: [...devnet.entryAddresses] };
      for await (const { event } of gateway.client.updateIpTable(request)) {
        if (event.case === "tableFetched") largestTable = Math.max(largestTable, event.value.entryCount);
      }
      return largestTable;
    };
    // The first crawl of a process compiles what it runs.
    await crawl();
    await gateway.longestStallMs();
    const largestTable = await crawl();
    if ("million-rows" in faults && largestTable < 1_000_000) throw new Error("the large table was not met");
    return await gateway.longestStallMs();
  } finally {
    await gateway.close();
    await devnet.close();
  }
}

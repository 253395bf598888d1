/** Durable changes through the gateway: many at once beside one at a time. */
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

export async function benchConcurrentCommits(atOnce: number, runs: number): Promise<BenchRow> {
  const gateway = await serveGateway();
  try {
    const alone: number[] = [];
    const together: number[] = [];
    for (let run = -2; run < runs; run += 1) {
      const times = [await msPerCommit(gateway, 1, 20), await msPerCommit(gateway, atOnce, 2)] as const;
      // The first rounds warm up.
      if (run < 0) continue;
      alone.push(times[0]);
      together.push(times[1]);
    }
    const name = `a new group, one of ${atOnce} at once`;
    return rowOf({ name, unit: "ms", against: "alone", target: "<= 0.1" }, together, alone);
  } finally {
    await gateway.close();
  }
}

async function msPerCommit({ client }: ServedGateway, atOnce: number, rounds: number): Promise<number> {
  const startMs = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(Array.from({ length: atOnce }, () => client.createGroup({})));
  }
  return (performance.now() - startMs) / (atOnce * rounds);
}

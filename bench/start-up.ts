import { bareNode, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

/** Time until healthy and memory at rest, beside a Node process that does nothing. */
export async function benchStartUp(runs: number): Promise<BenchRow[]> {
  const healthyMs: number[] = [];
  const idleMib: number[] = [];
  const bareMs: number[] = [];
  const bareMib: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const bare = await bareNode();
    bareMs.push(bare.startMs);
    bareMib.push(bare.rssMib);
    const gateway = await serveGateway();
    healthyMs.push(gateway.healthyAfterMs);
    idleMib.push(await gateway.rssMib());
    await gateway.close();
  }
  return [
    rowOf(
      { name: "serve until healthy", unit: "ms", against: "bare node", target: "value <= 1500 ms" },
      healthyMs,
      bareMs,
    ),
    rowOf(
      { name: "serve at rest, resident", unit: "MiB", against: "bare node", target: "value <= 150 MiB" },
      idleMib,
      bareMib,
    ),
  ];
}

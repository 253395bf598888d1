/** Measuring bandwidth: whether it keeps its budget of time, and whether it says what curl says of the same line. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { startDevnetProcess } from "../src/devnet/devnet-process.js";
import { Bandwidth_Mode } from "../src/gen/p2prc/client/v1/ip_table_pb.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

const run = promisify(execFile);

/** Lines of nodes, in Mbit/s, dealt by turns: all 20 nodes together take twice the budget. */
const lines = [20, 50, 100, 200, 1_000];

/** From the end of the last hop to the end of the crawl, on a network that takes longer than the budget. */
export async function benchBandwidthBudget(budgetSeconds: number): Promise<BenchRow> {
  const nodes = 20;
  const devnet = await startDevnetProcess({ nodes, seed: 7, bandwidthMbps: lines, uploadMbps: lines });
  const gateway = await serveGateway();
  try {
    let hopsEndMs = performance.now();
    const events = gateway.client.updateIpTable({
      seedAddresses: [...devnet.entryAddresses],
      maxHops: 10,
      bandwidth: { mode: Bandwidth_Mode.MEASURE, maxDuration: { seconds: BigInt(budgetSeconds) } },
    });
    for await (const { event } of events) {
      if (event.case === "hopCompleted") hopsEndMs = performance.now();
    }
    const name = `bandwidth of ${nodes} nodes, last hop to end`;
    return rowOf(
      { name, unit: "ms", against: "its budget", target: "<= 1.01" },
      [performance.now() - hopsEndMs],
      [budgetSeconds * 1_000],
    );
  } finally {
    await gateway.close();
    await devnet.close();
  }
}

/** One node on a line of so much: our rate, and that of curl, by turns. @returns undefined if there is no curl */
export async function benchDownloadRate(lineMbps: number, runs: number): Promise<BenchRow | undefined> {
  if (spawnSync("curl", ["--version"]).error !== undefined) return undefined;
  const devnet = await startDevnetProcess({ nodes: 1, seed: 7, bandwidthMbps: lineMbps });
  const gateway = await serveGateway();
  const [address = ""] = devnet.entryAddresses;
  const ours: number[] = [];
  const curls: number[] = [];
  try {
    for (let round = 0; round < runs; round += 1) {
      ours.push(await measuredMbps(gateway, address));
      curls.push(await curlMbps(address));
    }
  } finally {
    await gateway.close();
    await devnet.close();
  }
  const name = `download measured on a line of ${lineMbps} Mbit/s`;
  return rowOf({ name, unit: "Mbit/s", against: "curl, whole file", target: "0.9 to 1.1" }, ours, curls);
}

async function measuredMbps({ client }: ServedGateway, address: string): Promise<number> {
  let mbps = Number.NaN;
  const bandwidth = { mode: Bandwidth_Mode.MEASURE, maxAge: {} };
  for await (const { event } of client.updateIpTable({ maxHops: 0, seedAddresses: [address], bandwidth })) {
    if (event.case === "nodeProbed")
      mbps = event.value.node?.measurement?.downloadMegabitsPerSecond ?? Number.NaN;
  }
  return mbps;
}

async function curlMbps(address: string): Promise<number> {
  const format = "%{speed_download}";
  const { stdout } = await run("curl", ["--silent", "-o", "/dev/null", "-w", format, `http://${address}/50`]);
  return (Number(stdout) * 8) / 1e6;
}

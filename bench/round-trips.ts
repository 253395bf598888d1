/** What one GET costs through each client that the crawl could use, on kept connections to one node. */
import { openDevnet } from "../src/devnet/devnet.js";
import { routeLimits } from "../src/peer-api/limits.js";
import { request } from "../src/peer-api/node-request.js";
import { roundTrip } from "../src/peer-api/round-trip.js";
import { NodeSockets } from "../src/peer-api/sockets.js";
import { type BenchRow, rowOf } from "./table.js";

export async function benchRoundTrips(count: number, runs: number): Promise<BenchRow> {
  const devnet = await openDevnet({ nodes: 1 });
  const [, port = "0"] = (devnet.entryAddresses[0] ?? "").split(":");
  const address = { host: "127.0.1.1", port: Number(port) };
  const sockets = new NodeSockets();
  const cpuUsOf = async (call: () => Promise<unknown>): Promise<number> => {
    const before = process.cpuUsage();
    for (let index = 0; index < count; index += 1) await call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  };
  const { maxBodyBytes } = routeLimits.probe;
  const viaHttp = () =>
    roundTrip(sockets, address, "/server_info", { maxBodyBytes, onRequest: () => undefined });
  const viaGot = () => request(`http://127.0.1.1:${port}/server_info`, sockets, routeLimits.specs, {});
  const http: number[] = [];
  const got: number[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const costs = [await cpuUsOf(viaHttp), await cpuUsOf(viaGot)] as const;
    // The first round only warms up.
    if (run > 0) {
      http.push(costs[0]);
      got.push(costs[1]);
    }
  }
  sockets.close();
  await devnet.close();
  const name = "one GET, processor time, node included: got";
  return rowOf(
    { name, unit: "us", against: "the probe's node:http", target: "(why probes do not use got)" },
    got,
    http,
  );
}

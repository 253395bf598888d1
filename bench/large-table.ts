/** A local table of many rows: what a filtered page costs over the wire, and what the rows weigh. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "../src/observability/logger.js";
import { keyOf, newRecord, type NodeRecord } from "../src/p2p/node-record.js";
import { IpTable } from "../src/p2p/table/ip-table.js";
import { bareRow } from "../src/peer-api/ip-table-rows.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

const filter = "measurement.latency < 0.05s AND specs.memory_mib > 1000";
const pageSize = 100;
/** What the memory of a gateway may grow by, for the table and for answering from it. */
const allowedMib = 128;

/** In which order a page is asked for: by name it may stop early, else it looks at every node. */
const orders = { "by name": "", "by latency": "measurement.latency" } as const;
type Order = keyof typeof orders;

export async function benchLargeTable(rows: number, calls: number): Promise<BenchRow[]> {
  const small = await measureTable(pageSize, calls);
  const large = await measureTable(rows, calls);
  const pageRow = (order: Order): BenchRow =>
    rowOf(
      {
        name: `filtered page of ${pageSize} of ${rows} nodes, ${order}`,
        unit: "ms",
        against: `the same of ${pageSize} nodes`,
        target: "value <= 10 ms",
      },
      large.pageMs[order],
      small.pageMs[order],
    );
  const memory = {
    name: `serve with ${rows} nodes, resident`,
    unit: "MiB",
    against: `with none, + ${allowedMib} MiB`,
    target: "<= 1",
  } as const;
  return [
    pageRow("by name"),
    pageRow("by latency"),
    rowOf(memory, [large.rssMib], [(await restMib()) + allowedMib]),
  ];
}

async function measureTable(
  rows: number,
  calls: number,
): Promise<{ pageMs: Record<Order, number[]>; rssMib: number }> {
  const gateway = await serveGateway({ prepare: (baseDir) => writeTable(baseDir, rows) });
  try {
    const pageMs: Record<Order, number[]> = { "by name": [], "by latency": [] };
    // The first calls read the file and warm up.
    for (let call = -10; call < calls; call += 1) {
      for (const order of Object.keys(orders) as Order[]) {
        const elapsedMs = await timePage(gateway, orders[order]);
        if (call >= 0) pageMs[order].push(elapsedMs);
      }
    }
    return { pageMs, rssMib: await gateway.rssMib() };
  } finally {
    await gateway.close();
  }
}

async function timePage({ client }: ServedGateway, orderBy: string): Promise<number> {
  const startMs = performance.now();
  const { nodes } = await client.listNodes({ pageSize, filter, orderBy });
  if (nodes.length < pageSize / 2) throw new Error(`the filter let only ${nodes.length} nodes through`);
  return performance.now() - startMs;
}

async function restMib(): Promise<number> {
  const gateway = await serveGateway();
  try {
    await gateway.client.listNodes({});
    return await gateway.rssMib();
  } finally {
    await gateway.close();
  }
}

/** Writes table and side file as a gateway does that has crawled. */
async function writeTable(baseDir: string, rows: number): Promise<void> {
  const tablePath = join(baseDir, "p2p", "iptable", "ip_table.json");
  await mkdir(join(tablePath, ".."), { recursive: true });
  const table = new IpTable(
    { tablePath, sidePath: join(baseDir, ".p2prc", "ip_table.side.json") },
    silentLogger,
  );
  await table.update((nodes) => {
    for (let index = 0; index < rows; index += 1) {
      const record = crawledRecord(index);
      nodes.set(keyOf(record), record);
    }
  });
}

/** A node like others, of which about two thirds pass the filter: latencies of 1 to 64 ms, memory of 512 MiB to 64 GiB. */
function crawledRecord(index: number): NodeRecord {
  const address = { host: `45.250.${(index >> 8) & 255}.${index & 255}`, port: 8088 };
  const timeMs = 1_760_000_000_000 + index;
  return {
    ...newRecord({ ...bareRow(address), machineName: `node-${index}` }, "peer", {
      viaNodes: ["nodes/45.250.0.1:8088"],
      hopCount: 1 + (index % 3),
      witnessCount: 1 + (index % 5),
      firstSeenTimeMs: timeMs,
    }),
    state: "ACTIVE",
    observeTimeMs: timeMs,
    measurement: {
      latencyNs: (1 + (index % 64)) * 1_000_000,
      jitterNs: 40_000,
      sampleCount: 3,
      measureTimeMs: timeMs,
    },
    specs: {
      hostname: `host-${index}`,
      platform: "ubuntu",
      cpuModel: "AMD EPYC 7B12",
      memoryMib: 512 << (index % 8),
      diskMib: 468_417,
      gpus: [],
      observeTimeMs: timeMs,
    },
  };
}

/** A crawl that measures bandwidth, through a real gateway: what nodes that fail cost, and what measuring may use. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { bandwidthFaults } from "../../src/devnet/faults.js";
import {
  Bandwidth_Mode,
  CrawlCompleted_EndReason,
  FailureReason,
  NodeFailed_Step,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { type Node, Node_State } from "../../src/gen/p2prc/client/v1/node_pb.js";
import { CliBench, runCli } from "../support/cli.js";
import type { GatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { someInfo } from "../support/raw-node.js";
import {
  addressOfRow,
  crawl,
  type CrawlEvents,
  eventsOf,
  eventually,
  remote,
  summaryOf,
  tableRows,
  WireBench,
  writeTable,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

const mebibyte = 2 ** 20;
const measure = { mode: Bandwidth_Mode.MEASURE, maxDuration: { seconds: 60n } };

type BandwidthFault = keyof typeof bandwidthFaults;

/** Why the direction failed; undefined = it did not fail, and has no value all the same. */
const failures: Record<BandwidthFault, FailureReason | undefined> = {
  "hang-download": FailureReason.TIMEOUT,
  "drip-download": undefined,
  "short-download": undefined,
  "missing-download": FailureReason.HTTP_STATUS,
  "reset-download": FailureReason.CONNECTION_RESET,
  "hang-upload": FailureReason.TIMEOUT,
  "stall-upload": FailureReason.TIMEOUT,
  "reset-upload": FailureReason.CONNECTION_RESET,
  "status500-upload": FailureReason.HTTP_STATUS,
  "early-answer-upload": FailureReason.BAD_BODY,
};
const faults = Object.keys(failures) as BandwidthFault[];

async function listedBy(gateway: GatewayOnDevnet): Promise<Map<string, Node>> {
  const { nodes } = await remote(gateway).listNodes({ pageSize: 1_000 });
  return new Map(nodes.map((node) => [node.name.replace("nodes/", ""), node]));
}

describe("a node that is measured and whose speed test has the fault", () => {
  const crawls = new WireBench();
  const seen = new Map<
    BandwidthFault,
    { gateway: GatewayOnDevnet; events: CrawlEvents; elapsedMs: number }
  >();

  // All at once: most of them do nothing but wait for their limits.
  beforeAll(async () => {
    await Promise.all(
      faults.map(async (fault) => {
        const gateway = await crawls.open({
          devnet: { nodes: 2, faults: { [fault]: 1 }, dialects: ["2025-04"] },
        });
        const startMs = performance.now();
        const events = await crawl(remote(gateway), {
          seedAddresses: [...gateway.devnet.entryAddresses],
          bandwidth: measure,
        });
        seen.set(fault, { gateway, events, elapsedMs: performance.now() - startMs });
      }),
    );
  }, 120_000);
  afterAll(() => crawls.release());

  it.each(faults)(
    "%s stays ACTIVE without that direction, and the crawl ends within the limits",
    async (fault) => {
      const { gateway, events, elapsedMs } = seen.get(fault)!;
      const [healthy, faulty] = gateway.devnet.nodes;
      const isDownload = fault.endsWith("-download");
      const listed = await listedBy(gateway);
      const { state, measurement } = listed.get(faulty!.address)!;
      expect(state).toBe(Node_State.ACTIVE);
      const { downloadMegabitsPerSecond: down, uploadMegabitsPerSecond: up } = measurement!;
      expect([isDownload ? down : up, (isDownload ? up : down) ?? 0]).toEqual([
        undefined,
        expect.any(Number),
      ]);
      expect((isDownload ? up : down) ?? 0).toBeGreaterThan(0);
      const step = isDownload ? NodeFailed_Step.DOWNLOAD : NodeFailed_Step.UPLOAD;
      const reason = failures[fault];
      expect(eventsOf(events, "nodeFailed")).toMatchObject(
        reason === undefined ? [] : [{ node: `nodes/${faulty!.address}`, step, reason }],
      );
      expect(listed.get(healthy!.address)?.measurement).toMatchObject({
        downloadMegabitsPerSecond: expect.any(Number),
        uploadMegabitsPerSecond: expect.any(Number),
      });
      expect(summaryOf(events)).toMatchObject({
        activeCount: 2,
        unreachable: [],
        endReason: CrawlCompleted_EndReason.FINISHED,
      });
      // 3 s for bytes to flow, 5 s for the answer, and what a busy machine takes: not all the time that was given.
      expect(elapsedMs).toBeLessThan(50_000);
      const row = (await tableRows(gateway)).find((each) => addressOfRow(each) === faulty!.address);
      expect(row?.[isDownload ? "Download" : "Upload"]).toBe(0);
    },
  );
});

type SpeedRoutes = Partial<Record<"/50" | "/upload", RequestListener>>;

/** Sends bytes as long as somebody reads. */
function pour(response: ServerResponse): void {
  const chunk = Buffer.alloc(256 * 1024, 7);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", more);
  more();
}

function take(request: IncomingMessage, answer: () => void): void {
  request.resume();
  request.once("end", answer);
}

/** A node on a line without limits whose file has no end; `routes` take the place of its speed test. @returns `HOST:PORT` */
async function aFastNode(opened: WireBench, routes: SpeedRoutes = {}): Promise<string> {
  const all: Record<string, RequestListener> = {
    "/server_info": (_, response) => void response.end(someInfo),
    "/IpTable": (request, response) => take(request, () => response.end('{"ip_address":null}')),
    "/50": (_, response) => pour(response),
    "/upload": (request, response) => take(request, () => response.end("'50.bin' uploaded!")),
    ...routes,
  };
  const server = createServer((request, response) => {
    const route = all[request.url ?? ""];
    if (route === undefined) response.writeHead(404).end();
    else route(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const redirects =
  (location: string): RequestListener =>
  (request, response) =>
    take(request, () => response.writeHead(302, { location }).end());
const zips: RequestListener = (request, response) =>
  take(request, () => response.writeHead(200, { "content-encoding": "gzip" }).end(Buffer.alloc(mebibyte)));

describe("a node that is measured and answers", () => {
  it.each([
    ["a redirect", FailureReason.HTTP_STATUS],
    ["gzip", FailureReason.BAD_BODY],
  ])("%s loses that direction only, and nobody follows it", async (kind, reason) => {
    let followedCount = 0;
    const target = await bench.serve((_, response) => {
      followedCount += 1;
      pour(response);
    });
    const listener = kind === "gzip" ? zips : redirects(target);
    const [noDown, noUp] = [
      await aFastNode(bench, { "/50": listener }),
      await aFastNode(bench, { "/upload": listener }),
    ];
    const gateway = await bench.open({ devnet: { nodes: 1 } });
    const events = await crawl(remote(gateway), { seedAddresses: [noDown, noUp], bandwidth: measure });
    const failed = eventsOf(events, "nodeFailed").sort((a, b) => a.step - b.step);
    expect(failed).toMatchObject([
      { node: `nodes/${noDown}`, step: NodeFailed_Step.DOWNLOAD, reason },
      { node: `nodes/${noUp}`, step: NodeFailed_Step.UPLOAD, reason },
    ]);
    const listed = await listedBy(gateway);
    const [down, up] = [noDown, noUp].map((address) => listed.get(address)!.measurement!);
    expect([down!.downloadMegabitsPerSecond, up!.uploadMegabitsPerSecond]).toEqual([undefined, undefined]);
    expect(down!.uploadMegabitsPerSecond).toBeGreaterThan(0);
    expect(up!.downloadMegabitsPerSecond).toBeGreaterThan(0);
    expect(followedCount).toBe(0);
    expect(summaryOf(events).activeCount).toBe(2);
  });
});

describe("what a measurement uses", () => {
  it("is no more bytes per node than asked for, and what is on its way", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 4, shape: "mesh", bandwidthMbps: 400, dialects: ["2025-04"] },
    });
    const { ledger, nodes, entryAddresses } = gateway.devnet;
    const maxBytes = 2 * mebibyte;
    const bandwidth = { ...measure, maxBytesPerNode: BigInt(maxBytes) };
    await crawl(remote(gateway), { seedAddresses: [...entryAddresses], bandwidth });
    // A download is recorded when it is over for the node, which is a moment after it was left.
    await eventually(() => ledger.count({ path: "/50" }) >= nodes.length, "the downloads are over");
    for (const { address } of nodes) {
      const [down, ...others] = ledger.matching({ node: address, path: "/50" });
      expect(others).toEqual([]);
      expect(down?.sentBytes).toBeGreaterThanOrEqual(maxBytes);
      // What the systems on the way hold of a file 25 times as long.
      expect(down?.sentBytes).toBeLessThan(maxBytes + 16 * mebibyte);
      const ups = ledger.matching({ node: address, path: "/upload" });
      expect(ups.map(({ partBytes }) => partBytes)).toEqual([maxBytes]);
    }
  });

  it("stands in the table file, in both directions, and is not used again within its age", async () => {
    const gateway = await bench.open({ devnet: { nodes: 4, shape: "mesh", dialects: ["2025-04"] } });
    const request = { seedAddresses: [...gateway.devnet.entryAddresses], bandwidth: measure };
    await crawl(remote(gateway), request);
    const listed = await listedBy(gateway);
    const rows = await tableRows(gateway);
    expect(rows).toHaveLength(4);
    for (const row of rows) {
      const { downloadMegabitsPerSecond, uploadMegabitsPerSecond } = listed.get(addressOfRow(row))!
        .measurement!;
      expect(downloadMegabitsPerSecond).toBeGreaterThan(0);
      expect(uploadMegabitsPerSecond).toBeGreaterThan(0);
      expect(row).toMatchObject({ Download: downloadMegabitsPerSecond, Upload: uploadMegabitsPerSecond });
    }
    await crawl(remote(gateway), request);
    expect(gateway.devnet.ledger.count({ path: "/50" })).toBe(4);
    expect(await tableRows(gateway)).toMatchObject(
      rows.map(({ Download, Upload }) => ({ Download, Upload })),
    );
  });

  it("is nothing of our own node's, nor of one caught lying", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 5, shape: "mesh", faults: { victims: 1 }, dialects: ["2025-04"] },
      flags: { publicIp: "127.0.1.2" },
      prepare: async (baseDir, devnet) => {
        await writeFile(join(baseDir, "config.json"), JSON.stringify({ ServerPort: String(devnet.port) }));
        await writeTable(baseDir, [devnet.nodes[0]!.address]);
      },
    });
    const { ledger, nodes } = gateway.devnet;
    await crawl(remote(gateway), { bandwidth: measure });
    const liar = nodes.find(({ fault }) => fault === "victims")!.address;
    const own = nodes.find(({ address }) => address.startsWith("127.0.1.2:"))!.address;
    expect((await listedBy(gateway)).get(liar)).toMatchObject({
      state: Node_State.QUARANTINED,
      stateReason: "DEAD_ROWS",
    });
    expect(ledger.count({ node: own })).toBe(0);
    const measured = (path: string): string[] => ledger.matching({ path }).map(({ node }) => node);
    const others = nodes
      .map(({ address }) => address)
      .filter((address) => address !== liar && address !== own);
    expect(measured("/50").sort()).toEqual([...others].sort());
    expect(measured("/upload").sort()).toEqual([...others].sort());
  });

  it("is nothing at all with `p2prc crawl --no-bandwidth`, and something without the flag", async () => {
    const gateway = await bench.open({ devnet: { nodes: 3, shape: "mesh", dialects: ["2025-04"] } });
    const { ledger, entryAddresses } = gateway.devnet;
    const argv = ["crawl", "--gateway", gateway.url, "--seed", entryAddresses[0]!];
    const without = await runCli([...argv, "--no-bandwidth"], { cwd: gateway.baseDir });
    expect([without.code, ledger.count({ path: "/IpTable" })]).toEqual([0, 3]);
    expect([ledger.count({ path: "/50" }), ledger.count({ path: "/upload" })]).toEqual([0, 0]);
    expect(await tableRows(gateway)).toMatchObject([0, 0, 0].map(() => ({ Download: 0, Upload: 0 })));
    expect((await runCli(argv, { cwd: gateway.baseDir })).code).toBe(0);
    expect([ledger.count({ path: "/50" }), ledger.count({ path: "/upload" })]).toEqual([3, 3]);
  });
});

describe("the memory of a gateway that measures", () => {
  const processes = new CliBench();
  afterEach(() => processes.release());

  const residentBytes = (pid: number): number =>
    Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4_096;

  (process.platform === "linux" ? it : it.skip)(
    "grows by less than 32 MiB with nodes whose files have no end (needs /proc)",
    async () => {
      const seeds = await Promise.all([0, 1, 2].map(() => aFastNode(bench)));
      const base = await processes.folder();
      const flags = ["--listen", "127.0.0.1:0", "--public-ip", "off", "--allow-cidr", "127.0.0.0/8"];
      const served = processes.start(["serve", "--base", base, ...flags], base);
      const [, url = ""] = await served.until(/ready: (http:\S+) /);
      const client = remote({ url });
      const measured = (maxBytes: number): ReturnType<typeof crawl> =>
        crawl(client, {
          seedAddresses: seeds,
          bandwidth: { ...measure, maxAge: {}, maxBytesPerNode: BigInt(maxBytes) },
        });
      // What a process takes for its first measurement, of the size that it makes by default, is no growth: code that is
      // compiled, and a heap that has garbage for the first time.
      await measured(8 * mebibyte);
      const pid = served.child.pid!;
      const before = residentBytes(pid);
      let most = before;
      const watch = setInterval(() => (most = Math.max(most, residentBytes(pid))), 10);
      const events = await measured(64 * mebibyte).finally(() => clearInterval(watch));
      expect(eventsOf(events, "nodeFailed")).toEqual([]);
      process.stdout.write(
        `memory of a gateway that measures: ${((most - before) / mebibyte).toFixed(1)} MiB more\n`,
      );
      expect(most - before).toBeLessThan(32 * mebibyte);
    },
  );
});

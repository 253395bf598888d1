/** Crawls over the wire: a real gateway beside a devnet and beside raw nodes, and what its streams tell. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import type { CrawlCompleted, UpdateIpTableResponse } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import {
  type GatewayOnDevnet,
  type GatewayOnDevnetOptions,
  openGatewayOnDevnet,
} from "./gateway-on-devnet.js";
import { type Answer, RawNode } from "./raw-node.js";

/** What a test opens; `release` takes it all away again. */
export class WireBench {
  readonly #cleanups: (() => unknown)[] = [];

  async open(options: GatewayOnDevnetOptions = {}): Promise<GatewayOnDevnet> {
    const gateway = await openGatewayOnDevnet(options);
    this.defer(() => gateway.close());
    return gateway;
  }

  /** A node that is none of the devnet's. */
  async rawNode(answer: Answer): Promise<RawNode> {
    const node = await RawNode.open(answer);
    this.defer(() => node.close());
    return node;
  }

  /** A service as ip-api.com. @returns its URL */
  async serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.defer(async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/json/`;
  }

  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async release(): Promise<void> {
    await Promise.all(this.#cleanups.splice(0).map((cleanup) => cleanup()));
  }
}

export type WireClient = Client<typeof ClientService>;

/** A caller on the TCP port. */
export const remote = ({ url }: Pick<GatewayOnDevnet, "url">): WireClient =>
  createClient(ClientService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));

/** The operator, on the socket of the base folder. */
export const local = ({ socketPath }: Pick<GatewayOnDevnet, "socketPath">): WireClient =>
  createClient(
    ClientService,
    createConnectTransport({ baseUrl: "http://gateway", httpVersion: "1.1", nodeOptions: { socketPath } }),
  );

export type CrawlInit = Parameters<WireClient["updateIpTable"]>[0];
export type CrawlEvents = readonly UpdateIpTableResponse[];

/** Crawls to the end of the stream. */
export async function crawl(
  client: WireClient,
  request: CrawlInit = {},
  options: { timeoutMs?: number } = {},
): Promise<UpdateIpTableResponse[]> {
  const events: UpdateIpTableResponse[] = [];
  for await (const event of client.updateIpTable(request, options)) events.push(event);
  return events;
}

type Event = UpdateIpTableResponse["event"];
type EventCase = NonNullable<Event["case"]>;

type ValueOf<K extends EventCase> = Extract<Event, { case: K }>["value"];

/** The events of one kind, in order. */
export function eventsOf<K extends EventCase>(events: CrawlEvents, kind: K): ValueOf<K>[] {
  const matching = events.filter(({ event }) => event.case === kind);
  return matching.map(({ event }) => event.value as ValueOf<K>);
}

/** What the last event says. @throws the stream ended with another one */
export const summaryOf = (events: CrawlEvents): CrawlCompleted => {
  const last = events.at(-1)?.event;
  if (last?.case !== "completed") throw new Error(`the last event is ${String(last?.case)}`);
  return last.value;
};

/** Nodes that answered their probe, by `HOST:PORT`, each once. */
export const activeIn = (events: CrawlEvents): Set<string> =>
  new Set(eventsOf(events, "nodeProbed").map(({ node }) => node?.name.replace("nodes/", "") ?? ""));

export const tablePathOf = ({ baseDir }: Pick<GatewayOnDevnet, "baseDir">): string =>
  join(baseDir, "p2p/iptable/ip_table.json");

export type FileRow = Record<string, unknown>;

/** The rows of the table file. */
export async function tableRows(gateway: Pick<GatewayOnDevnet, "baseDir">): Promise<FileRow[]> {
  const text = await readFile(tablePathOf(gateway), "utf8");
  return (JSON.parse(text) as { ip_address: FileRow[] }).ip_address;
}

/** `HOST:PORT` of a row of the table file. */
export const addressOfRow = ({ IPV4, IPV6, ServerPort }: FileRow): string =>
  IPV4 === "" ? `[${String(IPV6)}]:${String(ServerPort)}` : `${String(IPV4)}:${String(ServerPort)}`;

/** Puts a table file with these addresses into a base folder, as the original client would have left it. */
export async function writeTable(
  baseDir: string,
  addresses: readonly string[],
  extra: object = {},
): Promise<void> {
  const path = tablePathOf({ baseDir });
  await mkdir(dirname(path), { recursive: true });
  const rows = addresses.map((address) => {
    const [host = "", port = ""] = address.split(":");
    return { Name: "", IPV4: host, IPV6: "", Latency: 0, Download: 0, Upload: 0, ServerPort: port, ...extra };
  });
  await writeFile(path, JSON.stringify({ ip_address: rows }, null, 1));
}

/** Polls until it is true. @returns how long that took, in milliseconds */
export async function eventually(
  isTrue: () => boolean | Promise<boolean>,
  what = "it",
  limitMs = 30_000,
): Promise<number> {
  const startMs = performance.now();
  while (!(await isTrue())) {
    if (performance.now() - startMs > limitMs) throw new Error(`${what}: not true within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - startMs;
}

import { expect } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import { createAddressPolicy } from "../../src/p2p/address-policy.js";
import type { CallerOptions, CrawlEvent, CrawlEventBody, CrawlRequest } from "../../src/p2p/contract.js";
import type { IpTable } from "../../src/p2p/table/ip-table.js";
import { keyOf, type NodeRecord } from "../../src/p2p/node-record.js";
import { OwnAddressSource } from "../../src/p2p/own-address.js";
import { createIpTableService, type ServiceDeps } from "../../src/p2p/service.js";
import type { PeerRow } from "../../src/peer-api/contract.js";
import { buildTableForm } from "../../src/peer-api/table-form.js";
import { FakeClock, settle } from "./fake-clock.js";
import { FakeNetwork } from "./fake-network.js";
import { aRecord } from "./peers.js";

export type Body<K extends CrawlEventBody["kind"]> = Extract<CrawlEventBody, { kind: K }>;

/** A crawl under way, and what its reader has seen of it. */
export interface Reading {
  readonly events: CrawlEvent[];
  /** Settles with the error that the call threw, if any. */
  readonly done: Promise<unknown>;
  isDone: boolean;
}

/** The whole module over a network, a table and a clock in memory. */
export class CrawlBench {
  readonly clock = new FakeClock();
  readonly network = new FakeNetwork(this.clock);
  readonly drain = new AbortController();
  nodes = new Map<string, NodeRecord>();
  writeCount = 0;
  writeError: Error | undefined;
  formCount = 0;
  readonly deps: ServiceDeps;
  #service: ReturnType<typeof createIpTableService> | undefined;

  constructor(
    overrides: Partial<ServiceDeps> & { findAddress?: () => Promise<string>; publicIp?: string } = {},
  ) {
    const {
      findAddress,
      publicIp = findAddress === undefined ? "off" : "http://ip.example",
      ...rest
    } = overrides;
    const policy = createAddressPolicy([]);
    this.deps = {
      table: this.#table(),
      policy,
      clock: this.clock,
      openPeerApi: () => this.network.open(),
      buildTableForm: (rows) => {
        this.formCount += 1;
        return buildTableForm(rows);
      },
      resolveName: async () => "45.250.0.1",
      ownAddress: new OwnAddressSource(publicIp, findAddress ?? (async () => ""), this.clock, policy),
      own: { serverPort: 8088, machineName: "" },
      findOwnRow: async () => undefined,
      newCrawlId: () => "1",
      logger: silentLogger,
      draining: this.drain.signal,
      ...rest,
    };
  }

  get service(): ReturnType<typeof createIpTableService> {
    this.#service ??= createIpTableService(this.deps);
    return this.#service;
  }

  /** Puts rows into the local table, as peers' rows. */
  know(...rows: (PeerRow | NodeRecord)[]): void {
    for (const one of rows) {
      const record = "row" in one ? one : aRecord({ row: one });
      this.nodes.set(keyOf(record), record);
    }
  }

  read(request: CrawlRequest = {}, options: Partial<CallerOptions> = {}): Reading {
    const reading: { -readonly [K in keyof Reading]: Reading[K] } = {
      events: [],
      isDone: false,
      done: Promise.resolve(undefined),
    };
    reading.done = (async () => {
      try {
        for await (const event of this.service.updateIpTable(request, { caller: "remote", ...options })) {
          reading.events.push(event);
        }
        return undefined;
      } catch (error) {
        return error;
      } finally {
        reading.isDone = true;
      }
    })();
    return reading;
  }

  /** Crawls to the end, in as much time as that takes, and checks every rule of the stream on the way. */
  async crawl(request: CrawlRequest = {}, options: Partial<CallerOptions> = {}): Promise<CrawlEvent[]> {
    const reading = this.read(request, options);
    await this.finish(reading);
    const error = await reading.done;
    if (error !== undefined) throw error as Error;
    checkStream(reading.events);
    return reading.events;
  }

  async finish(reading: Reading): Promise<void> {
    for (let step = 0; step < 2_000 && !reading.isDone; step += 1) {
      await settle();
      await this.clock.advance(step < 100 ? 10 : 1_000);
    }
    if (!reading.isDone) throw new Error("the crawl did not end");
  }

  /** A table in memory, with the promises of `IpTable`. */
  #table(): IpTable {
    const table = {
      read: async () => new Map(this.nodes),
      update: async <T>(
        change: (nodes: Map<string, NodeRecord>) => T,
        options?: { keepInMemory?: boolean },
      ) => {
        const nodes = new Map(this.nodes);
        const result = change(nodes);
        if (options?.keepInMemory === true) this.nodes = nodes;
        if (this.writeError !== undefined) throw this.writeError;
        this.writeCount += 1;
        this.nodes = nodes;
        return result;
      },
      remember: (key: string, learnt: Pick<NodeRecord, "specs">) => {
        const record = this.nodes.get(key);
        if (record !== undefined) this.nodes.set(key, { ...record, ...learnt });
      },
    } satisfies Pick<IpTable, keyof IpTable>;
    return table as unknown as IpTable;
  }
}

/** The bodies of one kind, in order. */
export function bodies<K extends CrawlEventBody["kind"]>(events: readonly CrawlEvent[], kind: K): Body<K>[] {
  return events.map(({ body }) => body).filter((body): body is Body<K> => body.kind === kind);
}

const hopless: readonly CrawlEventBody["kind"][] = ["started", "ownAddressFound", "completed", "heartbeat"];

/** Whether an event says what a measurement of bandwidth came to: those follow the last hop and belong to none. */
function isOfBandwidth(events: readonly CrawlEvent[], body: CrawlEventBody): boolean {
  if (body.kind === "nodeFailed") return body.step === "DOWNLOAD" || body.step === "UPLOAD";
  if (bodies(events, "hopCompleted").length < bodies(events, "hopStarted").length) return false;
  const lastHopEnd = events.findLastIndex((event) => event.body.kind === "hopCompleted");
  return body.kind === "nodeProbed" && events.findIndex((event) => event.body === body) > lastHopEnd;
}

/** Every rule of the stream that holds for any crawl that ended. */
export function checkStream(events: readonly CrawlEvent[]): void {
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  expect(events[0]!.body.kind).toBe("started");
  expect(events.flatMap(({ body }, at) => (body.kind === "completed" ? [at] : []))).toEqual([
    events.length - 1,
  ]);
  expect(bodies(events, "started")).toHaveLength(1);
  const started = bodies(events, "hopStarted").map(({ hop }) => hop);
  expect(started).toEqual(started.map((_, hop) => hop));
  const completed = bodies(events, "hopCompleted").map(({ hop }) => hop);
  // A caller whose deadline came has not seen its hops end: the crawl goes on without it.
  const isCutShort = bodies(events, "completed")[0]?.summary.endReason === "DEADLINE";
  expect(completed).toEqual(isCutShort ? started.slice(0, completed.length) : started);
  const open = new Set<number>();
  for (const { body, progress } of events) {
    if (body.kind === "hopStarted") open.add(body.hop);
    if (isOfBandwidth(events, body)) expect([...open]).toEqual([]);
    else if (!hopless.includes(body.kind))
      expect([body.kind, progress.hop, open.has(progress.hop)]).toEqual([body.kind, progress.hop, true]);
    if (body.kind === "hopCompleted") open.delete(body.hop);
    for (const count of Object.values(progress) as number[]) expect(count).toBeGreaterThanOrEqual(0);
  }
  const probed = bodies(events, "nodeProbed")
    .filter((body) => !isOfBandwidth(events, body))
    .map(({ node }) => node.name);
  const failed = bodies(events, "nodeFailed")
    .filter(({ step }) => step === "PROBE")
    .map(({ node }) => node);
  const discovered = bodies(events, "nodeDiscovered").map(({ node }) => node.name);
  for (const names of [
    [...probed, ...failed],
    discovered,
    bodies(events, "tableFetched").map(({ node }) => node),
  ]) {
    expect(names).toHaveLength(new Set(names).size);
  }
}

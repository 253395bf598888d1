import type { Logger } from "../observability/logger.js";
import { isIpLiteral } from "../peer-api/address.js";
import type { CallOptions, PeerAddress, PeerApi } from "../peer-api/contract.js";
import type { CallerOptions, CrawlEvent, CrawlRequest, IpTableService, Node } from "./contract.js";
import { Crawl, type CrawlDeps } from "./crawl.js";
import { P2pError } from "./errors.js";
import type { IpTable } from "./ip-table.js";
import { crawlLimits, tableLimits } from "./limits.js";
import { findNode, readAddress, requireAllowed } from "./node-lookup.js";
import { etagOf, keyOf, newRecord, type NodeRecord, toNode } from "./node-record.js";
import { isOwnNode } from "./own-address.js";
import { pageOf } from "./pages.js";
import { applyCrawl } from "./table-changes.js";
import { bareRow } from "../peer-api/ip-table-rows.js";

export interface ServiceDeps extends CrawlDeps {
  readonly table: IpTable;
  readonly resolveName: (name: string) => Promise<string>;
  readonly newCrawlId: () => string;
  readonly logger: Logger;
  /** Aborted when the gateway drains. */
  readonly draining: AbortSignal;
}

/** Builds the peer-to-peer module on its parts. */
export function createIpTableService(deps: ServiceDeps): IpTableService {
  const { table, policy, clock } = deps;
  let crawlCount = 0;
  const isSelf = ({ address, row }: NodeRecord): boolean =>
    isOwnNode(address, row, { ...deps.own, publicIpAddress: deps.ownAddress.known?.publicIpAddress ?? "" });

  /** Calls one node for one caller, on sockets that are gone afterwards. */
  const callNode = async <T>(
    text: string,
    { caller, signal }: CallerOptions,
    call: (api: PeerApi, address: PeerAddress, options: CallOptions) => Promise<T>,
  ): Promise<{ key: string; result: T }> => {
    const { address, record } = findNode(text, await table.read(), caller);
    const isAsTyped = caller === "operator" || record?.origin === "operator";
    const isAllowed = isAsTyped ? undefined : policy.allowsConnected;
    const api = deps.openPeerApi();
    try {
      return { key: keyOf({ address }), result: await call(api, address, { isAllowed, signal }) };
    } finally {
      api.close();
    }
  };

  return {
    async *updateIpTable(request, options) {
      if (deps.draining.aborted) throw new P2pError("DRAINING", "the gateway is shutting down");
      if (crawlCount >= crawlLimits.maxCrawls) {
        throw new P2pError("TOO_MANY_CRAWLS", `${crawlCount} crawls are running; at most ${crawlLimits.maxCrawls} may`);
      }
      crawlCount += 1;
      try {
        yield* runCrawl(deps, request, options);
      } finally {
        crawlCount -= 1;
      }
    },

    async listNodes(page) {
      return pageOf((await table.read()).values(), page, isSelf);
    },

    async addNode(text, replaceAll, { caller }) {
      const typed = readAddress(text, "address");
      requireAllowed(typed, "address", caller, policy);
      // A name is resolved once, here: what it means later cannot lead the gateway elsewhere.
      const address = isIpLiteral(typed) ? typed : { ...typed, host: await deps.resolveName(typed.host) };
      const origin = caller === "operator" ? "operator" : "peer";
      const added = newRecord(bareRow(address), origin, { firstSeenTimeMs: clock.nowMs() });
      return await table.update((nodes) => {
        const known = nodes.get(keyOf(added));
        const record = known === undefined ? added : { ...known, origin: caller === "operator" ? origin : known.origin };
        if (replaceAll) nodes.clear();
        if (!nodes.has(keyOf(added)) && nodes.size >= tableLimits.maxNodes) {
          throw new P2pError("IP_TABLE_FULL", `the IP table holds ${nodes.size} nodes, which is its limit`);
        }
        nodes.set(keyOf(added), record);
        return toNode(record, isSelf(record));
      });
    },

    async removeNode(text, etag) {
      return await table.update((nodes) => {
        const { record } = findNode(text, nodes, "remote");
        if (record === undefined) throw new P2pError("NODE_NOT_FOUND", "not in the IP table");
        const node: Node = toNode(record, isSelf(record));
        if (etag !== "" && etag !== etagOf(record)) {
          throw new P2pError("ETAG_MISMATCH", `${node.name} has changed since`, { metadata: { node: node.name } });
        }
        nodes.delete(keyOf(record));
        return node;
      });
    },

    async specs(text, options) {
      const { key, result } = await callNode(text, options, (api, address, call) => api.specs(address, call));
      const specs = { ...result, observeTimeMs: clock.nowMs() };
      table.remember(key, { specs });
      return specs;
    },

    async images(text, options) {
      return (await callNode(text, options, (api, address, call) => api.images(address, call))).result;
    },
  };
}

/** Runs one crawl from the table as it stands to the table as it is written. */
async function* runCrawl(
  deps: ServiceDeps,
  request: CrawlRequest,
  { caller, signal, timeoutMs }: CallerOptions,
): AsyncGenerator<CrawlEvent> {
  const startMs = deps.clock.monotonicMs();
  const start = await startingNodes(deps, request.seedAddresses ?? [], caller);
  const crawl = new Crawl(
    {
      name: `crawls/${deps.newCrawlId()}`,
      start,
      maxHops: request.maxHops ?? crawlLimits.defaultHops,
      maxConcurrency: request.maxConcurrency ?? crawlLimits.defaultConcurrency,
      nodeTimeoutMs: request.nodeTimeoutMs,
      exchangeTimeoutMs: request.exchangeTimeoutMs,
      maxSharedRows: request.maxSharedRows ?? crawlLimits.defaultSharedRows,
    },
    deps,
  );
  const release = stopInTime(crawl, deps, signal, timeoutMs);
  const written = writeWhenOver(crawl, deps, startMs);
  crawl.start();
  try {
    yield* crawl.events.stream;
  } finally {
    // The reader has left, or has read all: either way the table is written before the call is over.
    crawl.stop("DEADLINE");
    release();
    await written;
  }
}

/** The table and the seeds, each node once. */
async function startingNodes(
  { table, policy }: ServiceDeps,
  seeds: readonly string[],
  caller: CallerOptions["caller"],
): Promise<NodeRecord[]> {
  const addresses = seeds.map((seed, index) => {
    const field = `seed_addresses[${index}]`;
    const address = readAddress(seed, field);
    requireAllowed(address, field, caller, policy);
    return address;
  });
  const nodes = new Map(await table.read());
  for (const address of addresses) {
    const key = keyOf({ address });
    if (!nodes.has(key)) nodes.set(key, newRecord(bareRow(address), caller === "operator" ? "operator" : "peer"));
  }
  return [...nodes.values()];
}

/** Ends the crawl early when the caller leaves, its deadline nears, the gateway drains or the limit is reached. */
function stopInTime(
  crawl: Crawl,
  { clock, draining }: ServiceDeps,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): () => void {
  const cancels = [clock.after(crawlLimits.maxCrawlMs, () => crawl.stop("LIMIT"))];
  // Early enough for the last event to reach the caller before its deadline does.
  if (timeoutMs !== undefined) {
    const marginMs = Math.min(500, timeoutMs / 4);
    cancels.push(clock.after(Math.max(0, timeoutMs - marginMs), () => crawl.stop("DEADLINE")));
  }
  const leave = (): void => {
    if (!draining.aborted) crawl.stop("DEADLINE");
  };
  const drain = (): void => void cancels.push(clock.after(crawlLimits.drainMs, () => crawl.stop("DRAINING")));
  signal?.addEventListener("abort", leave, { once: true });
  draining.addEventListener("abort", drain, { once: true });
  if (signal?.aborted === true) leave();
  return () => {
    for (const cancel of cancels) cancel();
    signal?.removeEventListener("abort", leave);
    draining.removeEventListener("abort", drain);
  };
}

/** Writes what the crawl learnt and says so as its last event. A table that cannot be written fails the call. */
async function writeWhenOver(crawl: Crawl, deps: ServiceDeps, startMs: number): Promise<void> {
  const endReason = await crawl.over;
  const { findings } = crawl;
  try {
    const change = await deps.table.update((nodes) => applyCrawl(nodes, findings), { keepInMemory: true });
    crawl.events.emit({
      kind: "completed",
      summary: {
        activeCount: findings.answered.size,
        ...change,
        unreachable: [...findings.silent, ...findings.blocked].map((key) => `nodes/${key}`).sort(),
        elapsedMs: deps.clock.monotonicMs() - startMs,
        endReason,
      },
    });
    crawl.events.end();
  } catch (error) {
    deps.logger.error({ err: error }, "the IP table could not be written after a crawl");
    crawl.events.end(error);
  }
}

import type { Logger } from "../observability/logger.js";
import { bareRow } from "../peer-api/ip-table-rows.js";
import type { CallerOptions, CrawlEvent, CrawlRequest } from "./contract.js";
import { Crawl } from "./crawl.js";
import type { CrawlDeps } from "./crawl-plan.js";
import type { IpTable } from "./ip-table.js";
import { crawlLimits } from "./limits.js";
import { originOf, readAddress, requireAllowed } from "./node-lookup.js";
import { keyOf, newRecord, type NodeRecord } from "./node-record.js";
import { applyCrawl } from "./table-changes.js";

/** What a crawl needs around itself. */
export interface RunDeps extends CrawlDeps {
  readonly table: IpTable;
  readonly newCrawlId: () => string;
  readonly logger: Logger;
  /** Aborted when the gateway drains. */
  readonly draining: AbortSignal;
  /** Crawls that have not written yet; each entry ends its crawl and resolves when it has. */
  readonly running: Set<() => Promise<void>>;
}

/** Runs one crawl from the table as it stands to the table as it is written. */
export async function* runCrawl(
  deps: RunDeps,
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
  const end = async (): Promise<void> => {
    crawl.stop("DRAINING");
    await written;
  };
  deps.running.add(end);
  void written.then(() => deps.running.delete(end));
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
  { table, policy }: RunDeps,
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
    if (!nodes.has(key)) nodes.set(key, newRecord(bareRow(address), originOf(caller)));
  }
  return [...nodes.values()];
}

/** Ends the crawl early when the caller leaves, its deadline nears, the gateway drains or the limit is reached. */
function stopInTime(
  crawl: Crawl,
  { clock, draining }: RunDeps,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): () => void {
  const cancels = [clock.after(crawlLimits.maxCrawlMs, () => crawl.stop("LIMIT"))];
  // Early enough for the last event to reach the caller before its deadline does.
  // A longer one than a crawl can take needs no timer, and could be more than a timer takes.
  if (timeoutMs !== undefined && timeoutMs < crawlLimits.maxCrawlMs) {
    const marginMs = Math.min(500, timeoutMs / 4);
    cancels.push(clock.after(Math.max(0, timeoutMs - marginMs), () => crawl.stop("DEADLINE")));
  }
  const leave = (): void => crawl.stop("DEADLINE");
  const drain = (): void => void cancels.push(clock.after(crawlLimits.drainMs, () => crawl.stop("DRAINING")));
  signal?.addEventListener("abort", leave, { once: true });
  draining.addEventListener("abort", drain, { once: true });
  if (signal?.aborted === true) leave();
  if (draining.aborted) drain();
  return () => {
    for (const cancel of cancels) cancel();
    signal?.removeEventListener("abort", leave);
    draining.removeEventListener("abort", drain);
  };
}

/** Writes what the crawl learnt and says so as its last event. A table that cannot be written fails the call. */
async function writeWhenOver(crawl: Crawl, deps: RunDeps, startMs: number): Promise<void> {
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

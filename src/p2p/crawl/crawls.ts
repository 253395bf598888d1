import { isIpLiteral } from "../../peer-api/address.js";
import { bareRow } from "../../peer-api/ip-table-rows.js";
import type { CallerOptions, CrawlEvent, CrawlRequest } from "../contract.js";
import { Crawl } from "./crawl.js";
import type { CrawlDeps, CrawlPlan } from "./crawl-plan.js";
import { P2pError } from "../errors.js";
import { crawlLimits } from "../limits.js";
import { originOf, readAddress, requireAllowed } from "../node-lookup.js";
import { keyOf, newRecord } from "../node-record.js";
import { previewKept, previewStart } from "./preview.js";
import { readResumeToken, resumeExpired } from "./resume-token.js";
import { SharedCrawl, type SharedCrawlDeps } from "./shared-crawl.js";

/** What crawls need around themselves. */
export interface CrawlsDeps extends CrawlDeps, SharedCrawlDeps {
  readonly newCrawlId: () => string;
  readonly resolveName: (name: string) => Promise<string>;
  /** Aborted when the gateway drains. */
  readonly draining: AbortSignal;
}

/** The crawls that run, pause, or were over not long ago. */
export class Crawls {
  readonly #deps: CrawlsDeps;
  /** Oldest first. */
  readonly #kept = new Set<SharedCrawl>();
  /** Those whose results are not written yet, also where nobody can come back to them any more. */
  readonly #unwritten = new Set<SharedCrawl>();
  /** The crawl that is being started: whoever joins waits for it instead of starting another. */
  #starting: Promise<SharedCrawl> | undefined;
  /** Those that do not run yet. */
  readonly #starts = new Set<Promise<SharedCrawl>>();
  readonly #forgetting = new Map<SharedCrawl, () => void>();

  constructor(deps: CrawlsDeps) {
    this.#deps = deps;
  }

  /** Starts, joins or resumes a crawl, as the request says, and reads it. */
  async *watch(request: CrawlRequest, options: CallerOptions): AsyncGenerator<CrawlEvent> {
    if (options.signal?.aborted === true) return;
    if (request.validateOnly === true) {
      yield* await this.#preview(request, options);
      return;
    }
    const { crawl, sequence } = await this.#find(request, () => this.#start(request, options));
    this.#forgetting.get(crawl)?.();
    this.#forgetting.delete(crawl);
    try {
      yield* crawl.watch(sequence, options);
    } finally {
      if (crawl.isUnwatched && this.#kept.has(crawl)) this.#forgetLater(crawl);
    }
  }

  /** Ends every crawl, and resolves when what they learnt is written. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#starts);
    for (const crawl of [...this.#kept]) this.#forget(crawl);
    await Promise.all([...this.#unwritten].map((crawl) => crawl.written));
  }

  /** Checks what `watch` checks, and tells what it would begin with. No crawl is started, woken or forgotten. */
  async #preview(request: CrawlRequest, { caller }: CallerOptions): Promise<Iterable<CrawlEvent>> {
    const deps = this.#deps;
    const { crawl } = await this.#find(request, () => Promise.resolve(undefined));
    if (crawl !== undefined) return previewKept(crawl, deps);
    this.#requirePlace();
    // A name server is somebody else, too.
    const asTyped = { ...deps, resolveName: (name: string) => Promise.resolve(name) };
    const { start } = await startingNodes(asTyped, request.seedAddresses ?? [], caller);
    return previewStart({ start, maxHops: request.maxHops ?? crawlLimits.defaultHops }, deps);
  }

  /** Finds the crawl that the request resumes or joins, and the event after which; else takes what `start` brings. */
  async #find<C extends SharedCrawl | undefined>(
    { resumeToken = "", joinRunning = false }: CrawlRequest,
    start: () => Promise<C>,
  ): Promise<{ readonly crawl: SharedCrawl | C; readonly sequence: number }> {
    if (resumeToken !== "") {
      const { crawl: name, sequence } = readResumeToken(resumeToken);
      const crawl = [...this.#kept].find((kept) => kept.name === name);
      if (crawl?.holdsAfter(sequence) !== true) throw resumeExpired();
      return { crawl, sequence };
    }
    if (joinRunning) {
      // Without a turn of the event loop in between, or all who ask at one moment would start their own.
      const running =
        this.#starting === undefined ? this.#unfinished.at(-1) : await this.#starting.catch(() => undefined);
      if (running?.holdsAfter(0) === true) return { crawl: running, sequence: 0 };
    }
    return { crawl: await start(), sequence: 0 };
  }

  async #start(request: CrawlRequest, options: CallerOptions): Promise<SharedCrawl> {
    this.#makeRoom(this.#requirePlace());
    const starting = startingNodes(this.#deps, request.seedAddresses ?? [], options.caller).then((start) =>
      this.#open(request, start),
    );
    this.#starting = starting;
    this.#starts.add(starting);
    try {
      return await starting;
    } finally {
      this.#starts.delete(starting);
      if (this.#starting === starting) this.#starting = undefined;
    }
  }

  #open(request: CrawlRequest, start: Pick<CrawlPlan, "start" | "startedFrom">): SharedCrawl {
    const name = `crawls/${this.#deps.newCrawlId()}`;
    const crawl = new Crawl(
      {
        name,
        ...start,
        maxHops: request.maxHops ?? crawlLimits.defaultHops,
        maxConcurrency: request.maxConcurrency ?? crawlLimits.defaultConcurrency,
        nodeTimeoutMs: request.nodeTimeoutMs,
        exchangeTimeoutMs: request.exchangeTimeoutMs,
        maxSharedRows: request.maxSharedRows ?? crawlLimits.defaultSharedRows,
        bandwidth:
          request.bandwidth === undefined ? undefined : { ...bandwidthDefaults, ...request.bandwidth },
      },
      this.#deps,
    );
    const shared = new SharedCrawl(name, crawl, this.#deps);
    this.#kept.add(shared);
    this.#unwritten.add(shared);
    const release = stopInTime(shared, this.#deps);
    void shared.written.then(() => {
      release();
      this.#unwritten.delete(shared);
    });
    shared.start();
    return shared;
  }

  /**
   * Requires that a crawl may start now. A paused one gives way to a new one; those that somebody watches do not.
   *
   * @returns the crawl that is to give way, if one has to
   * @throws {P2pError} DRAINING, TOO_MANY_CRAWLS
   */
  #requirePlace(): SharedCrawl | undefined {
    if (this.#deps.draining.aborted) throw new P2pError("DRAINING", "the gateway is shutting down");
    if (this.#unfinished.length + this.#starts.size < crawlLimits.maxCrawls) return undefined;
    const paused = this.#unfinished.find((crawl) => crawl.isUnwatched);
    if (paused !== undefined) return paused;
    const message = `${crawlLimits.maxCrawls} crawls are running, and no more may`;
    throw new P2pError("TOO_MANY_CRAWLS", message);
  }

  #makeRoom(paused: SharedCrawl | undefined): void {
    const over = [...this.#kept].filter((crawl) => crawl.isOver && crawl.isUnwatched);
    for (const crawl of over.slice(0, Math.max(0, over.length - crawlLimits.maxCrawls + 1)))
      this.#forget(crawl);
    if (paused !== undefined) this.#forget(paused);
  }

  get #unfinished(): SharedCrawl[] {
    return [...this.#kept].filter((crawl) => !crawl.isOver);
  }

  #forgetLater(crawl: SharedCrawl): void {
    this.#forgetting.get(crawl)?.();
    const cancel = this.#deps.clock.after(crawlLimits.keptMs, () => this.#forget(crawl));
    this.#forgetting.set(crawl, cancel);
  }

  #forget(crawl: SharedCrawl): void {
    this.#forgetting.get(crawl)?.();
    this.#forgetting.delete(crawl);
    this.#kept.delete(crawl);
    crawl.stop("DRAINING");
  }
}

const bandwidthDefaults = {
  maxBytesPerNode: crawlLimits.defaultBandwidthBytes,
  maxDurationMs: crawlLimits.defaultBandwidthMs,
  maxAgeMs: crawlLimits.defaultBandwidthAgeMs,
} as const;

/** The table and the seeds, each node once. */
async function startingNodes(
  { table, policy, resolveName }: CrawlsDeps,
  seeds: readonly string[],
  caller: CallerOptions["caller"],
): Promise<Pick<CrawlPlan, "start" | "startedFrom">> {
  const typed = seeds.map((seed, index) => {
    const field = `seed_addresses[${index}]`;
    const address = readAddress(seed, field);
    requireAllowed(address, field, caller, policy);
    return address;
  });
  // A name that cannot be resolved stays one: its probe will say so.
  const addresses = await Promise.all(
    typed.map(async (address) =>
      isIpLiteral(address)
        ? address
        : { ...address, host: await resolveName(address.host).catch(() => address.host) },
    ),
  );
  const known = await table.read();
  const nodes = new Map(known);
  for (const address of addresses) {
    const key = keyOf({ address });
    if (!nodes.has(key)) nodes.set(key, newRecord(bareRow(address), originOf(caller)));
  }
  return { start: [...nodes.values()], startedFrom: new Set(known.keys()) };
}

/** Ends a crawl early when the gateway drains or the limit is reached. */
function stopInTime(crawl: SharedCrawl, { clock, draining }: CrawlsDeps): () => void {
  const cancels = [clock.after(crawlLimits.maxCrawlMs, () => crawl.stop("LIMIT"))];
  const drain = (): void => void cancels.push(clock.after(crawlLimits.drainMs, () => crawl.stop("DRAINING")));
  draining.addEventListener("abort", drain, { once: true });
  if (draining.aborted) drain();
  return () => {
    for (const cancel of cancels) cancel();
    draining.removeEventListener("abort", drain);
  };
}

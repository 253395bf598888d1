/** Callers who create, group and remove as chance has it, and write down what they asked and heard. */
import type { Random } from "../../../src/devnet/random.js";
import type { Call, HistoryLine, HistoryWriter, Outcome, SeenMessage, WatcherName } from "./history.js";

/** The product as these callers reach it: a room in their process, or a gateway over the wire. */
export interface TrafficApi {
  call(call: Call, signal: AbortSignal): Promise<string>;
  /** Names of what can be named now. */
  names(): Promise<Names>;
  watch(watcher: WatcherName, after: string, signal: AbortSignal): AsyncIterable<SeenMessage>;
  /** Reads a failure. */
  outcomeOf(error: unknown): Outcome;
}

export interface Names {
  readonly containers: readonly string[];
  readonly groups: readonly string[];
}

export interface TrafficOptions {
  readonly api: TrafficApi;
  readonly nodes: readonly string[];
  readonly history: HistoryWriter;
  /** What was written down before. */
  readonly past: readonly HistoryLine[];
  readonly random: Random;
  /** Begins the name of each call. */
  readonly round: string;
  readonly callers: number;
  /** Calls in all. */
  readonly calls: number;
  /** Ends it earlier, once what runs is answered. */
  readonly signal?: AbortSignal;
  /** From then on nobody waits for an answer any more. */
  readonly hurry?: AbortSignal;
  /** Whether callers go on when whoever they asked went away: another one is there. @default false */
  readonly outlives?: boolean;
}

/** More containers than this, and removing is likelier than creating. */
const manyContainers = 40;

class Pool {
  readonly containers: string[] = [];
  readonly groups: string[] = [];
  /** Creations with a request id, to be asked for again. */
  readonly asked: Extract<Call, { kind: "create" }>[] = [];

  /** Whether a group may hold a container of a node that nobody may call. */
  hasForeign(nodes: readonly string[]): boolean {
    return this.containers.some((name) => !nodes.some((node) => name.startsWith(`${node}/containers/`)));
  }

  add(container: string): void {
    if (!this.containers.includes(container)) this.containers.push(container);
  }

  drop(list: "containers" | "groups", name: string): void {
    const place = this[list].indexOf(name);
    if (place >= 0) this[list].splice(place, 1);
  }
}

/** Resolves when every call is answered. */
export async function runTraffic(options: TrafficOptions): Promise<void> {
  const { api, past, callers, calls } = options;
  const pool = new Pool();
  const { containers, groups } = await api.names();
  pool.containers.push(...containers);
  pool.groups.push(...groups);
  for (const line of past.slice(-2_000)) {
    if (line.at === "asked" && line.call.kind === "create" && line.call.requestId !== "")
      pool.asked.push(line.call);
  }
  let count = 0;
  const caller = async (): Promise<void> => {
    while (count < calls && options.signal?.aborted !== true) {
      count += 1;
      // Nobody is there any more.
      const { kind } = await ask(options, pool, `${options.round}.${String(count)}`);
      if (kind === "cut" && options.outlives !== true) return;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function ask(
  { api, history, random, nodes, hurry }: TrafficOptions,
  pool: Pool,
  op: string,
): Promise<Outcome> {
  const { call, leavesAfterMs } = nextCall(random, nodes, pool, op);
  const leaving = new AbortController();
  const timer =
    leavesAfterMs === undefined
      ? undefined
      : setTimeout(() => leaving.abort(new Error("left")), leavesAfterMs);
  const leave = (): void => leaving.abort(new Error("left"));
  hurry?.addEventListener("abort", leave);
  history.note({ at: "asked", op, call });
  let outcome: Outcome;
  try {
    outcome = { kind: "ok", name: await api.call(call, leaving.signal) };
    learn(pool, call, outcome.name);
  } catch (error) {
    outcome = leaving.signal.aborted ? { kind: "left" } : api.outcomeOf(error);
    if (outcome.kind === "error") unlearn(pool, call, outcome);
  }
  clearTimeout(timer);
  hurry?.removeEventListener("abort", leave);
  history.note({ at: "answered", op, outcome });
  return outcome;
}

/** What is gone is asked for no more; what became of a creation without outcome can be asked for. */
function unlearn(pool: Pool, call: Call, { reason, metadata }: Extract<Outcome, { kind: "error" }>): void {
  const names = Object.values(metadata);
  if (reason === "CONTAINER_NOT_TRACKED") for (const name of names) pool.drop("containers", name);
  else for (const name of names.filter(isUnresolved)) pool.add(name);
  if (reason === "GROUP_NOT_FOUND" && "group" in call) pool.drop("groups", call.group);
}

/** A creation of unknown outcome. */
const isUnresolved = (name: string): boolean => name.includes("/~");

function learn(pool: Pool, call: Call, name: string): void {
  if (call.kind === "create") pool.add(name);
  if (call.kind === "createGroup") pool.groups.push(name);
}

interface NextCall {
  readonly call: Call;
  readonly leavesAfterMs?: number;
}

function nextCall(random: Random, nodes: readonly string[], pool: Pool, op: string): NextCall {
  const { containers, groups, asked } = pool;
  const draw = random.below(100);
  const isFull = containers.length > manyContainers;
  const some = (): string[] => random.shuffled(containers).slice(0, 1 + random.below(3));
  const named = containers.length > 0;
  // No call may leave for the nodes that others wrote about.
  const removable = containers.filter((name) => nodes.some((node) => name.startsWith(`${node}/containers/`)));
  if (removable.length > 0 && draw < (isFull ? 45 : 20))
    return { call: removal(random, removable, pool, false) };
  if (named && draw < (isFull ? 52 : 24))
    return {
      call: removal(
        random,
        random.below(6) === 0 || removable.length === 0 ? containers : removable,
        pool,
        true,
      ),
    };
  if (draw < 60) {
    const known = draw < 55 || asked.length === 0;
    const call = known ? creation(random, nodes, groups, op) : random.pick(asked.slice(-20));
    if (call.requestId !== "") asked.push(call);
    const leaves = call.requestId === "" || random.below(10) === 0;
    return leaves ? { call, leavesAfterMs: random.below(12) } : { call };
  }
  if (groups.length === 0 || (draw < 68 && groups.length < 8))
    return { call: { kind: "createGroup", containers: named ? some() : [] } };
  const group = random.pick(groups);
  if (named && draw < 84) return { call: { kind: "addToGroup", group, containers: some() } };
  if (named && draw < 92) return { call: { kind: "takeFromGroup", group, containers: some() } };
  if (draw < 96) {
    pool.drop("groups", group);
    return { call: { kind: "removeGroup", group, removesContainers: draw < 94 && !pool.hasForeign(nodes) } };
  }
  return { call: { kind: "createGroup", containers: [] } };
}

function creation(
  random: Random,
  nodes: readonly string[],
  groups: readonly string[],
  op: string,
): Extract<Call, { kind: "create" }> {
  const token = `t${op}`;
  const requestId = random.below(8) === 0 ? "" : token;
  const group = groups.length > 0 && random.below(3) === 0 ? random.pick(groups) : "";
  return { kind: "create", token, requestId, node: random.pick(nodes), group };
}

function removal(random: Random, names: readonly string[], pool: Pool, isForgotten: boolean): Call {
  // Those that have no id can only be forgotten.
  const all = names.filter((name) => isForgotten || !isUnresolved(name));
  const container = random.pick(all.length > 0 ? all : names);
  pool.drop("containers", container);
  return { kind: "remove", container, isForgotten: isForgotten || isUnresolved(container) };
}

/**
 * Watches until `signal`, and writes down every message.
 *
 * @param mayEndWith reasons that are no fault: whoever hears one watches on
 * @returns which of them it was
 */
export async function runWatcher(
  { api, history }: Pick<TrafficOptions, "api" | "history">,
  watcher: WatcherName,
  after: string,
  signal: AbortSignal,
  mayEndWith: (reason: string) => boolean = () => false,
): Promise<string | undefined> {
  history.note({ at: "watching", watcher, after });
  try {
    for await (const message of api.watch(watcher, after, signal))
      history.note({ at: "watched", watcher, ...message });
  } catch (error) {
    const outcome = api.outcomeOf(error);
    if (signal.aborted || outcome.kind !== "error") return undefined;
    if (mayEndWith(outcome.reason)) return outcome.reason;
    history.note({ at: "unwatched", watcher, reason: outcome.reason });
  }
  return undefined;
}

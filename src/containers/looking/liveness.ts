import { setMaxListeners } from "node:events";
import { Flips, type FlipsDeps } from "./flips.js";
import { containerLimits } from "../limits.js";
import { NodeLooks, type NodeLooksDeps } from "./node-looks.js";
import { pause } from "../../system/pause.js";
import { Places } from "./places.js";
import { readKey } from "../records.js";

export interface LivenessDeps extends FlipsDeps, Pick<NodeLooksDeps, "lookAtPort" | "directory"> {
  /** 0..1, for the jitter. */
  readonly random: () => number;
  /** Between two looks at a container, on average; 0 = none are made. @default containerLimits.livenessIntervalMs */
  readonly intervalMs?: number;
}

/** How often it is seen whose turn it is. */
const maxTickMs = 1_000;

/**
 * Looks at tracked containers now and then, and says which are reachable. It removes nothing: unreachable is not gone.
 *
 * Nodes take turns, spread over the interval, so that there is one timer for all of them and one more for each node in
 * doubt. A container that does not answer is looked at once more before it is shown as unreachable.
 */
export class Liveness {
  readonly #deps: LivenessDeps;
  readonly #intervalMs: number;
  readonly #stopping = new AbortController();
  readonly #places = new Places(containerLimits.livenessConcurrency);
  readonly #flips: Flips;
  readonly #looks: NodeLooks;
  /** Keys of the containers of each node. */
  readonly #nodes = new Map<string, Set<string>>();
  readonly #visits = new Map<string, Promise<void>>();
  /** A live iterator: nodes that come and go meanwhile do it no harm. */
  #turns: Iterator<string> = this.#nodes.keys();
  /** How many nodes should have had their turn by now. */
  #dueCount = 0;
  #lastTickMs = 0;
  #cancelTick: (() => void) | undefined;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
    this.#intervalMs = deps.intervalMs ?? containerLimits.livenessIntervalMs;
    // Each look under way listens to it, and each pause.
    setMaxListeners(0, this.#stopping.signal);
    this.#flips = new Flips(deps);
    this.#looks = new NodeLooks({
      ...deps,
      places: this.#places,
      flips: this.#flips,
      stopping: this.#stopping.signal,
    });
  }

  start(): void {
    if (this.#intervalMs === 0) return;
    const { state } = this.#deps;
    for (const [key] of state.named("container")) this.#enter(key);
    this.#unsubscribe = state.subscribe((update) => {
      for (const { key, value } of update.kind === "changed" ? update.changeSet.changes : update.changes) {
        const known = readKey(key);
        if (known?.kind !== "container") continue;
        if (value === undefined) this.#leave(known.subject);
        else this.#enter(known.subject);
      }
      this.#tickLater();
    });
    this.#tickLater();
  }

  /** Resolves when every socket and timer is gone, which is at once. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#unsubscribe();
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    this.#flips.close();
    await Promise.all(this.#visits.values());
  }

  #enter(key: string): void {
    const node = nodeOf(key);
    const keys = this.#nodes.get(node);
    if (keys === undefined) this.#nodes.set(node, new Set([key]));
    else keys.add(key);
  }

  #leave(key: string): void {
    const keys = this.#nodes.get(nodeOf(key));
    keys?.delete(key);
    if (keys?.size === 0) this.#nodes.delete(nodeOf(key));
  }

  /** Nothing ticks where nothing is tracked. */
  #tickLater(): void {
    const { clock } = this.#deps;
    if (this.#cancelTick !== undefined || this.#nodes.size === 0 || this.#stopping.signal.aborted) return;
    this.#lastTickMs = clock.monotonicMs();
    this.#cancelTick = clock.after(Math.min(maxTickMs, this.#intervalMs / 4), () => {
      this.#cancelTick = undefined;
      this.#tick(clock.monotonicMs() - this.#lastTickMs);
      this.#tickLater();
    });
  }

  #tick(elapsedMs: number): void {
    const share = (this.#nodes.size * elapsedMs) / this.#intervalMs;
    // By chance half as many or half as many again, so that gateways that began together do not stay together.
    this.#dueCount = Math.min(this.#dueCount + share * (0.5 + this.#deps.random()), this.#nodes.size);
    this.#takeTurns();
  }

  #takeTurns(): void {
    while (this.#dueCount >= 1 && this.#places.hasFree && !this.#stopping.signal.aborted) {
      this.#dueCount -= 1;
      const node = this.#nextNode();
      if (node === undefined) return;
      if (this.#visits.has(node)) continue;
      const visit = this.#visit(node)
        .catch((error: unknown) => this.#deps.logger.error({ err: error }, "a look at a node failed"))
        .finally(() => this.#visits.delete(node));
      this.#visits.set(node, visit);
    }
  }

  #nextNode(): string | undefined {
    const next = this.#turns.next();
    if (next.done !== true) return next.value;
    this.#turns = this.#nodes.keys();
    const first = this.#turns.next();
    return first.done === true ? undefined : first.value;
  }

  async #visit(node: string): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopping;
    const findings = await this.#looks.lookOver(this.#nodes.get(node) ?? []);
    this.#takeTurns();
    if (findings.unanswered.length === 0) return;
    await pause(clock, containerLimits.livenessDoubtMs * (0.5 + random()), signal);
    if (signal.aborted) return;
    const { unanswered } = await this.#looks.lookOver(findings.unanswered, findings);
    for (const key of unanswered) this.#flips.add(key, false);
    this.#takeTurns();
  }
}

/** The key of a container begins with its node's. */
const nodeOf = (key: string): string => key.slice(0, key.lastIndexOf("/"));

import type { LookAtPort, PeerAddress, PortSign } from "../../peer-api/contract.js";
import { PeerError } from "../../peer-api/errors.js";
import type { Clock } from "../../system/clock.js";
import { sshPortOf } from "../ports/container-ports.js";
import type { NodeDirectory } from "../contract.js";
import type { Flips } from "./flips.js";
import { containerLimits } from "../limits.js";
import type { Places } from "./places.js";
import type { ContainerRecord } from "../records.js";
import type { TrackedState } from "../tracked-state.js";

export interface NodeLooksDeps {
  readonly state: TrackedState;
  readonly clock: Clock;
  readonly lookAtPort: LookAtPort;
  readonly directory: Pick<NodeDirectory, "allowsConnected">;
  readonly places: Places;
  readonly flips: Flips;
  /** Aborted when the gateway stops. */
  readonly stopping: AbortSignal;
}

/**
 * What a look came to. SILENT: nothing came back at all, as from a host that is gone; REFUSED: something came back, and
 * not the sign; UNJUDGED: it says nothing about the other side.
 */
type Outcome = "SEEN" | "SILENT" | "REFUSED" | "UNJUDGED";

export interface NodeFindings {
  /** Containers shown as reachable that did not answer. */
  readonly unanswered: readonly string[];
  /** Whether an SSH port did. */
  readonly hasAnswered: boolean;
}

/** So many ports of a silent node tell enough about the rest of them: each costs a whole time limit. */
const enoughSilence = 3;

/** Looks at one node and the containers on it. */
export class NodeLooks {
  readonly #deps: NodeLooksDeps;

  constructor(deps: NodeLooksDeps) {
    this.#deps = deps;
  }

  /**
   * Looks at a node once, then at the SSH port of each of its containers. One without a told SSH port is as reachable as
   * its node. Containers that came back are flipped, signs of life noted.
   *
   * Where the node is silent and the first SSH ports are too, the other ones are taken to be: a node that dies with 1,000
   * containers must not take the places of all other nodes for as long as 1,000 time limits.
   *
   * @param before what an earlier look at this node found: while one SSH port answers, each is looked at
   */
  async lookOver(keys: Iterable<string>, before?: NodeFindings): Promise<NodeFindings> {
    const { state, stopping } = this.#deps;
    const node = this.#nodeOf(keys);
    if (node === undefined) return { unanswered: [], hasAnswered: false };
    const nodeOutcome = await this.#look(node.address, "TCP", node.isAsTyped);
    const unanswered: string[] = [];
    let silentCount = 0;
    let hasAnswered = before?.hasAnswered ?? false;
    // One iterator for all: each takes the next container.
    const rest = keys[Symbol.iterator]();
    const takeNext = async (): Promise<void> => {
      for (let next = rest.next(); next.done !== true; next = rest.next()) {
        const key = next.value;
        const record = state.get("container", key);
        if (record === undefined) continue;
        let outcome = nodeOutcome;
        const isGone = nodeOutcome === "SILENT" && silentCount >= enoughSilence && !hasAnswered;
        const port = isGone ? 0 : sshPortOf(state, key);
        if (port !== 0) {
          outcome = await this.#look({ host: record.address.host, port }, "SSH_BANNER", record.isAsTyped);
          if (stopping.aborted) return;
          if (outcome === "SILENT") silentCount += 1;
          else if (outcome !== "UNJUDGED") hasAnswered = true;
        }
        if (this.#note(key, record, outcome, nodeOutcome)) unanswered.push(key);
      }
    };
    await Promise.all(Array.from({ length: containerLimits.livenessPerNode }, takeNext));
    return { unanswered, hasAnswered };
  }

  /** @returns whether it did not answer although it is shown as reachable */
  #note(key: string, record: ContainerRecord, outcome: Outcome, nodeOutcome: Outcome): boolean {
    const { state, clock, flips } = this.#deps;
    if (outcome === "SEEN" || nodeOutcome === "SEEN") state.noteSeen(key, clock.nowMs());
    if (record.state !== "TRACKED" || outcome === "UNJUDGED") return false;
    if (outcome === "SEEN" && !record.isReachable) flips.add(key, true);
    return outcome !== "SEEN" && record.isReachable;
  }

  /** @returns as typed if any of its containers was: an operator named this very node then */
  #nodeOf(keys: Iterable<string>): ContainerRecord | undefined {
    let node: ContainerRecord | undefined;
    for (const key of keys) {
      const record = this.#deps.state.get("container", key);
      node ??= record;
      if (record?.isAsTyped === true) return record;
    }
    return node;
  }

  async #look(address: PeerAddress, sign: PortSign, isAsTyped: boolean): Promise<Outcome> {
    const { lookAtPort, directory, places, stopping } = this.#deps;
    const isAllowed = isAsTyped ? undefined : (remote: string): boolean => directory.allowsConnected(remote);
    const options = { timeoutMs: containerLimits.lookTimeoutMs, isAllowed, signal: stopping };
    try {
      await places.use(stopping, () => lookAtPort(address, sign, options));
      return "SEEN";
    } catch (error) {
      return stopping.aborted ? "UNJUDGED" : outcomeOf(error);
    }
  }
}

/** Codes of a machine of ours that has no socket left. */
const ownCodes: readonly unknown[] = ["EMFILE", "ENFILE", "EADDRNOTAVAIL"];

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof PeerError)) return "UNJUDGED";
  switch (error.failure) {
    case "ADDRESS_BLOCKED":
    case "CANCELED":
      return "UNJUDGED";
    case "NO_ROUTE":
      return ownCodes.includes((error.cause as { code?: unknown } | undefined)?.code) ? "UNJUDGED" : "SILENT";
    case "TIMEOUT":
    case "DNS":
      return "SILENT";
    case "CONNECTION_REFUSED":
    case "CONNECTION_RESET":
    case "HTTP_STATUS":
    case "BAD_BODY":
    case "TOO_LARGE":
      return "REFUSED";
  }
}

/** What the API of containers promises, in the simplest words: maps of names. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { MachineFault } from "./devnet-machine.js";

export interface ModelContainer {
  readonly state: "ACTIVE" | "REMOVE_FAILED" | "REMOVED" | "UNKNOWN";
  readonly reason: string;
  readonly groups: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly portCount: number;
}

/** What a call came to: its answer, or why it was refused. */
export type Answer =
  | { readonly kind: "done"; readonly name: string }
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly metadata?: Readonly<Record<string, string>>;
    };

export interface Order {
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly portCount: number;
  readonly image: string;
  readonly group: string;
  readonly requestId: string;
  readonly keepOnNodeError: boolean;
}

/** What a node with each fault leaves behind. */
const outcomeOf = {
  "cut-create": "lost",
  "crash-create": "lost",
  "hang-create": "lost",
  "reset-create": "lost",
  "ignore-create": "lost",
  "drop-create": "lost",
  "html-create": "lost",
  "broken-json-create": "lost",
  "shell-id-create": "lost",
  "huge-id-create": "lost",
  "empty-id-create": "lost",
  "huge-body-create": "lost",
  "endless-create": "lost",
  "status500-create": "harmless",
  "status500-untold-create": "doubtful",
  "atoi-create": "doubtful",
  "status500-told-create": "told",
  "fixed-id-create": "made",
  "two-documents-create": "made",
  "null-ports-create": "made",
  "high-port-create": "made",
  refuse: "not sent",
} as const satisfies Partial<Record<MachineFault, string>>;
export type CreateFault = keyof typeof outcomeOf;
export const createFaults = Object.keys(outcomeOf) as readonly CreateFault[];

const removalOf = {
  "cut-remove": "lost",
  "crash-remove": "lost",
  "hang-remove": "lost",
  "reset-remove": "lost",
  "ignore-remove": "lost",
  "status500-remove": "refused",
  "stuck-remove": "refused",
  "lying-remove": "gone",
  refuse: "not sent",
} as const satisfies Partial<Record<MachineFault, string>>;
export type RemoveFault = keyof typeof removalOf;
export const removeFaults = Object.keys(removalOf) as readonly RemoveFault[];

interface Repeatable {
  readonly argumentsText: string;
  readonly expireTimeMs: number;
  readonly answer: Answer;
}

const dayMs = 24 * 60 * 60_000;
const notTracked: Answer = { kind: "refused", reason: "CONTAINER_NOT_TRACKED" };

export class ContainersModel {
  /** Tracked, unresolved and removed ones, by name. */
  readonly containers = new Map<string, ModelContainer>();
  /** Names of the members, in the order in which they came, by name of the group. */
  readonly groups = new Map<string, readonly string[]>();
  readonly #repeatable = new Map<string, Repeatable>();

  isTracked(name: string): boolean {
    const state = this.containers.get(name)?.state;
    return state === "ACTIVE" || state === "REMOVE_FAILED";
  }

  /** @returns what an earlier call with this request id must be answered with; undefined = it is a new one */
  repeated(requestId: string, asked: JsonObject, nowMs: number): Answer | undefined {
    const known = this.#repeatable.get(requestId);
    if (requestId === "" || known === undefined || known.expireTimeMs <= nowMs) return undefined;
    if (known.argumentsText === JSON.stringify(asked)) return known.answer;
    return { kind: "refused", reason: "REQUEST_ID_REUSED" };
  }

  remember(requestId: string, asked: JsonObject, nowMs: number, answer: Answer): void {
    const argumentsText = JSON.stringify(asked);
    if (requestId !== "")
      this.#repeatable.set(requestId, { argumentsText, expireTimeMs: nowMs + dayMs, answer });
  }

  /** @param intent name that the answer gives to what is not known @param made name of the container that it names */
  created(
    order: Order,
    fault: CreateFault | undefined,
    removal: Removal,
    { intent, made }: { readonly intent: string; readonly made: string },
  ): Answer {
    const { group, labels, portCount, image } = order;
    const outcome = fault === undefined ? "made" : outcomeOf[fault];
    // A node that has no such image says so, whatever else ails it: orders for it meet healthy nodes only.
    if (image === "unknown") return { kind: "refused", reason: "IMAGE_NOT_OFFERED", metadata: { image } };
    const unknown = (reason: string): void => {
      const groups = group === "" ? [] : [group];
      this.containers.set(intent, { state: "UNKNOWN", reason, groups, labels, portCount });
    };
    switch (outcome) {
      case "not sent":
        return { kind: "refused", reason: "NODE_UNREACHABLE" };
      case "harmless":
        return { kind: "refused", reason: "NODE_REFUSED_REQUEST", metadata: { http_status: "500" } };
      case "lost":
        unknown("CREATE_OUTCOME_UNKNOWN");
        return { kind: "refused", reason: "CREATE_OUTCOME_UNKNOWN", metadata: { intent, node: order.node } };
      case "doubtful":
        unknown("NODE_REFUSED_REQUEST");
        return { kind: "refused", reason: "NODE_REFUSED_REQUEST", metadata: { http_status: "500", intent } };
      case "made":
      case "told":
        break;
    }
    if (this.isTracked(made)) {
      unknown("DUPLICATE_ID");
      return { kind: "refused", reason: "CREATE_OUTCOME_UNKNOWN", metadata: { intent, node: order.node } };
    }
    const reason = outcome === "told" ? "CREATED_WITH_ERROR" : "";
    this.containers.set(made, { state: "ACTIVE", reason, groups: [], labels, portCount });
    if (group !== "" && this.groups.has(group)) this.#enter(group, [made]);
    if (outcome === "made" || order.keepOnNodeError) return { kind: "done", name: made };
    const metadata = { container: made, http_status: "500" };
    if (this.removed(made, removal, "ROLLED_BACK").kind === "done")
      return { kind: "refused", reason: "CREATE_ROLLED_BACK", metadata };
    return { kind: "refused", reason: "NODE_REFUSED_REQUEST", metadata };
  }

  removed(name: string, removal: Removal, reason = "NODE_CONFIRMED"): Answer {
    const container = this.containers.get(name);
    if (container === undefined || !this.isTracked(name)) return notTracked;
    const fail = (why: string): void =>
      void this.containers.set(name, { ...container, state: "REMOVE_FAILED", reason: why });
    switch (removal) {
      case "gone":
        this.#untrack(name, reason);
        return { kind: "done", name };
      case "not sent":
        return { kind: "refused", reason: "NODE_UNREACHABLE" };
      case "lost":
        fail("REMOVE_OUTCOME_UNKNOWN");
        return { kind: "refused", reason: "REMOVE_OUTCOME_UNKNOWN" };
      case "refused":
        fail("NODE_REFUSED_REMOVAL");
        return { kind: "refused", reason: "REMOVE_FAILED" };
    }
  }

  forgotten(name: string): Answer {
    if (this.containers.get(name)?.state === "UNKNOWN") this.containers.delete(name);
    else if (this.isTracked(name)) this.#untrack(name, "FORGOTTEN");
    else return notTracked;
    return { kind: "done", name };
  }

  grouped(group: string, names: readonly string[]): Answer {
    if (!names.every((name) => this.isTracked(name))) return notTracked;
    const entering = names.filter((name) => !(this.groups.get(group) ?? []).includes(name));
    if (entering.some((name) => (this.containers.get(name)?.groups.length ?? 0) >= 16))
      return { kind: "refused", reason: "TOO_MANY_GROUPS" };
    this.#enter(group, names);
    return { kind: "done", name: group };
  }

  ungrouped(group: string, names: readonly string[]): Answer {
    if (!names.every((name) => this.isTracked(name))) return notTracked;
    for (const name of names) this.#leave(group, name);
    return { kind: "done", name: group };
  }

  disbanded(group: string): void {
    for (const name of this.groups.get(group) ?? []) this.#leave(group, name);
    this.groups.delete(group);
  }

  #enter(group: string, names: readonly string[]): void {
    this.groups.set(group, [...new Set([...(this.groups.get(group) ?? []), ...names])]);
    for (const name of names) {
      const container = this.containers.get(name);
      if (container === undefined) continue;
      this.containers.set(name, { ...container, groups: [...new Set([...container.groups, group])].sort() });
    }
  }

  #leave(group: string, name: string): void {
    const container = this.containers.get(name);
    this.groups.set(
      group,
      (this.groups.get(group) ?? []).filter((member) => member !== name),
    );
    if (container === undefined) return;
    this.containers.set(name, { ...container, groups: container.groups.filter((one) => one !== group) });
  }

  #untrack(name: string, reason: string): void {
    const container = this.containers.get(name);
    if (container === undefined) return;
    for (const group of container.groups) {
      this.groups.set(
        group,
        (this.groups.get(group) ?? []).filter((member) => member !== name),
      );
    }
    this.containers.set(name, { ...container, state: "REMOVED", reason });
  }
}

/** What a removal comes to. */
export type Removal = (typeof removalOf)[RemoveFault];

/** @param isThere whether the node has the container: it does not tell a second removal from one that fails */
export function removalOn(fault: RemoveFault | undefined, isThere: boolean): Removal {
  const outcome = fault === undefined ? "gone" : removalOf[fault];
  return outcome === "gone" && fault !== "lying-remove" && !isThere ? "refused" : outcome;
}

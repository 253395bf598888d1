/** What became of each call to a container route: told as events, kept as one entry per call. */

export interface CallEvent {
  /** Of the call, unlike any other, also of a devnet that writes to the same file later. */
  readonly call: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Address of the node. */
  readonly node: string;
}

export type ContainerEvent = CallEvent &
  (
    | {
        readonly event: "asked";
        readonly route: "start" | "remove";
        /** As it came, with the query. */
        readonly url: string;
        /** Decoded. */
        readonly query: Readonly<Record<string, string>>;
      }
    | { readonly event: "created"; readonly id: string; readonly isTold: boolean }
    | { readonly event: "removed"; readonly id: string }
    | { readonly event: "answered"; readonly status: number | null; readonly isComplete: boolean }
  );

interface ContainerCall extends CallEvent {
  /** As it came, with the query. */
  readonly url: string;
  /** Parameters by name, decoded; the first one of each name. */
  readonly query: Readonly<Record<string, string>>;
  /** Of the reply; null if there was none. Undefined while the call goes on. */
  readonly status?: number | null;
  /** Whether the node handed the whole reply to its system. */
  readonly isAnswered: boolean;
}

/** One call of /startcontainer. */
export interface ContainerCreate extends ContainerCall {
  /** Of the container, by which the node knows it; undefined while, or if, there is none. */
  readonly id?: string;
  readonly createdAt?: string;
  /** Whether the reply named the container, as far as it left. */
  readonly isTold: boolean;
  readonly removedAt?: string;
}

/** One call of /RemoveContainer. */
export interface ContainerRemoval extends ContainerCall {
  /** As asked for. */
  readonly id: string;
  readonly isRemoved: boolean;
}

export interface ContainerLedger {
  /** Oldest first. */
  readonly creates: readonly ContainerCreate[];
  /** Oldest first. */
  readonly removals: readonly ContainerRemoval[];
}

export interface ContainerBook extends ContainerLedger {
  take(event: ContainerEvent): void;
}

type Writable<Entry> = { -readonly [Key in keyof Entry]: Entry[Key] };

/** Folds events into entries: those of a running devnet as they come, those of a file in its order. */
export function createContainerBook(): ContainerBook {
  const creates: Writable<ContainerCreate>[] = [];
  const removals: Writable<ContainerRemoval>[] = [];
  const createByCall = new Map<string, Writable<ContainerCreate>>();
  const removalByCall = new Map<string, Writable<ContainerRemoval>>();
  /** Containers that are there, by node and id; an id may have been given twice. */
  const alive = new Map<string, readonly Writable<ContainerCreate>[]>();
  const take = (event: ContainerEvent): void => {
    const create = createByCall.get(event.call);
    const removal = removalByCall.get(event.call);
    switch (event.event) {
      case "asked": {
        const { call, time, node, url, query } = event;
        const entry = { call, time, node, url, query, isAnswered: false };
        if (event.route === "start") {
          const asked = { ...entry, isTold: false };
          createByCall.set(call, asked);
          creates.push(asked);
        } else {
          const asked = { ...entry, id: query["id"] ?? "0", isRemoved: false };
          removalByCall.set(call, asked);
          removals.push(asked);
        }
        break;
      }
      case "created":
        if (create === undefined) break;
        Object.assign(create, { id: event.id, createdAt: event.time, isTold: event.isTold });
        alive.set(keyOf(event), [...(alive.get(keyOf(event)) ?? []), create]);
        break;
      case "removed": {
        const [first, ...others] = alive.get(keyOf(event)) ?? [];
        if (first !== undefined) first.removedAt = event.time;
        if (others.length === 0) alive.delete(keyOf(event));
        else alive.set(keyOf(event), others);
        if (removal !== undefined) removal.isRemoved = true;
        break;
      }
      case "answered":
        for (const entry of [create, removal]) {
          if (entry === undefined) continue;
          entry.status = event.status;
          entry.isAnswered = event.isComplete;
        }
        createByCall.delete(event.call);
        removalByCall.delete(event.call);
        break;
    }
  };
  return { creates, removals, take };
}

const keyOf = ({ node, id }: { readonly node: string; readonly id: string }): string => `${node} ${id}`;

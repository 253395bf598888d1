import type { RecordValue, Revision } from "../store/contract.js";
import type { RecordView, ViewListener } from "../store/view.js";
import { containerName, groupName, intentName } from "./names.js";
import { keyOf, read, readKey, type RecordKind, type RecordOfKind } from "./records.js";
import { SortedNames } from "./sorted-names.js";

/** Records as they were at one moment. */
export interface Records {
  get<K extends RecordKind>(kind: K, subject: string): RecordOfKind[K] | undefined;
  /** Keys of the containers in a group, in the order in which they came. */
  membersOf(group: string): readonly string[];
}

/** What a name in the list of containers stands for. */
export interface Subject {
  readonly kind: "container" | "intent" | "tombstone";
  readonly subject: string;
}

/**
 * The records of this room as the gateway sees them now, with the indexes that reads need. Decisions never rest on it
 * alone: a commit checks what it expects.
 */
export class TrackedState implements Records {
  readonly #view: RecordView;
  readonly #members = new Map<string, Set<string>>();
  readonly #listeners = new Set<ViewListener>();
  readonly #seenTimeMs = new Map<string, number>();
  #subjects = new Map<string, Subject>();
  #names = new SortedNames();
  #groupNames = new SortedNames();
  #containerCount = 0;

  constructor(view: RecordView) {
    this.#view = view;
    this.#rebuild();
    view.subscribe((update) => {
      const changes = update.kind === "changed" ? update.changeSet.changes : update.changes;
      for (const { key, value, previous } of changes) this.#index(key, previous, value);
      for (const listener of [...this.#listeners]) listener(update);
    });
  }

  get revision(): Revision {
    return this.#view.revision;
  }

  /** Tracked containers, whatever their state. */
  get containerCount(): number {
    return this.#containerCount;
  }

  /** Names of containers, intents and tombstones, sorted. */
  get names(): readonly string[] {
    return this.#names.all;
  }

  get groupNames(): readonly string[] {
    return this.#groupNames.all;
  }

  subjectOf(name: string): Subject | undefined {
    return this.#subjects.get(name);
  }

  get<K extends RecordKind>(kind: K, subject: string): RecordOfKind[K] | undefined {
    const stored = this.#view.get(keyOf[kind](subject));
    return stored === undefined ? undefined : read(kind, stored.value);
  }

  revisionOf(kind: RecordKind, subject: string): Revision | undefined {
    return this.#view.get(keyOf[kind](subject))?.revision;
  }

  *all<K extends RecordKind>(kind: K): Generator<RecordOfKind[K], void, undefined> {
    for (const [, record] of this.named(kind)) yield record;
  }

  /** All records of a kind, with what they are about. */
  *named<K extends RecordKind>(kind: K): Generator<readonly [string, RecordOfKind[K]], void, undefined> {
    const prefix = keyOf[kind]("");
    for (const { key, value } of this.#view.entries(prefix))
      yield [key.slice(prefix.length), read(kind, value)];
  }

  membersOf(group: string): readonly string[] {
    return sortedMembers(this, group, this.#members.get(group) ?? []);
  }

  /** When a container's node or SSH port answered last, newer than its record says. */
  seenTimeMs(key: string): number | undefined {
    return this.#seenTimeMs.get(key);
  }

  noteSeen(key: string, timeMs: number): void {
    if (this.get("container", key) !== undefined) this.#seenTimeMs.set(key, timeMs);
  }

  /** Resolves when the state shows a commit. */
  async reached(revision: Revision): Promise<void> {
    await this.#view.reached(revision);
  }

  /** Calls `listener` for each commit once, in order, after the state has it. @returns what ends it */
  subscribe(listener: ViewListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #rebuild(): void {
    this.#members.clear();
    this.#subjects = new Map();
    this.#containerCount = 0;
    const groups: string[] = [];
    for (const { key, value } of this.#view.entries()) {
      const known = readKey(key);
      if (known?.kind === "group") groups.push(groupName(known.subject));
      else if (known?.kind === "membership") this.#enterGroups(known.subject, value);
      else this.#noteSubject(key, value);
    }
    this.#groupNames = new SortedNames(groups);
    this.#names = new SortedNames(this.#subjects.keys());
  }

  #index(key: string, previous: RecordValue | undefined, value: RecordValue | undefined): void {
    const known = readKey(key);
    if (known?.kind === "group") {
      if (value === undefined) this.#groupNames.delete(groupName(known.subject));
      else this.#groupNames.add(groupName(known.subject));
    } else if (known?.kind === "membership") {
      this.#leaveGroups(known.subject, previous);
      this.#enterGroups(known.subject, value);
    } else if (value === undefined) {
      this.#dropSubject(key, previous);
    } else {
      const name = this.#noteSubject(key, value, previous);
      if (name !== undefined) this.#names.add(name);
    }
  }

  #noteSubject(key: string, value: RecordValue, previous?: RecordValue): string | undefined {
    const named = namedSubject(key, value);
    if (named === undefined) return undefined;
    if (named.kind === "container" && previous === undefined) this.#containerCount += 1;
    this.#subjects.set(named.name, { kind: named.kind, subject: named.subject });
    return named.name;
  }

  #dropSubject(key: string, previous: RecordValue | undefined): void {
    const named = previous === undefined ? undefined : namedSubject(key, previous);
    if (named === undefined) return;
    if (named.kind === "container") {
      this.#containerCount -= 1;
      this.#seenTimeMs.delete(named.subject);
    }
    // A container and its tombstone have the same name: the one that came last keeps it.
    if (this.#subjects.get(named.name)?.kind !== named.kind) return;
    this.#subjects.delete(named.name);
    this.#names.delete(named.name);
  }

  #enterGroups(key: string, value: RecordValue | undefined): void {
    if (value === undefined) return;
    for (const { id } of read("membership", value).groups) {
      const members = this.#members.get(id);
      if (members === undefined) this.#members.set(id, new Set([key]));
      else members.add(key);
    }
  }

  #leaveGroups(key: string, value: RecordValue | undefined): void {
    if (value === undefined) return;
    for (const { id } of read("membership", value).groups) {
      const members = this.#members.get(id);
      members?.delete(key);
      if (members?.size === 0) this.#members.delete(id);
    }
  }
}

/** Puts the members of a group in the order in which they came. */
export function sortedMembers(records: Records, group: string, keys: Iterable<string>): readonly string[] {
  const since = (key: string): number =>
    records.get("membership", key)?.groups.find(({ id }) => id === group)?.since ?? 0;
  return [...keys]
    .map((key) => ({ key, since: since(key) }))
    .sort((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1))
    .map(({ key }) => key);
}

function namedSubject(key: string, value: RecordValue): (Subject & { readonly name: string }) | undefined {
  const known = readKey(key);
  if (known === undefined) return undefined;
  const { kind, subject } = known;
  switch (kind) {
    case "container": {
      const { address, id } = read("container", value);
      return { kind, subject, name: containerName(address, id) };
    }
    case "intent":
      return { kind, subject, name: intentName(read("intent", value).address, subject) };
    case "tombstone": {
      const { container } = read("tombstone", value);
      return { kind, subject, name: containerName(container.address, container.id) };
    }
    case "secret":
    case "membership":
    case "group":
    case "request":
    case "ended":
    case "lineage":
    case "heartbeat":
    case "duty":
      return undefined;
  }
}

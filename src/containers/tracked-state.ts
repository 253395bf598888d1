import type { RecordValue, Revision, StoredRecord } from "../store/contract.js";
import { Slices } from "../store/mirror/slices.js";
import { unreadable } from "../store/errors.js";
import type { RecordView, ViewListener, ViewUpdate, Place } from "../store/view.js";
import type { Clock } from "../system/clock.js";
import { GroupMembers } from "./group-members.js";
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

/** Kinds whose records are looked through one by one. */
type WalkedKind = "container" | "intent" | "request" | "tombstone" | "ended" | "heartbeat";

/**
 * The records of this room as the gateway sees them now, with the indexes that reads need. Decisions never rest on it
 * alone: a commit checks what it expects.
 */
export class TrackedState implements Records {
  readonly #view: RecordView;
  readonly #members = new GroupMembers((key) => this.get("membership", key));
  readonly #listeners = new Set<ViewListener>();
  readonly #seenTimeMs = new Map<string, number>();
  readonly #subjects = new Map<string, Subject>();
  /** Keys of the records of a kind: others stand between them in the view. */
  readonly #walked: Readonly<Record<WalkedKind, Set<string>>> = {
    container: new Set(),
    intent: new Set(),
    request: new Set(),
    tombstone: new Set(),
    ended: new Set(),
    heartbeat: new Set(),
  };
  #names = new SortedNames();
  #groupNames = new SortedNames();

  private constructor(view: RecordView) {
    this.#view = view;
  }

  /**
   * Builds the indexes, in slices: the gateway has other things to do already.
   *
   * @throws {StoreError} STATE_UNREADABLE naming a record that is none of ours
   */
  static async open(view: RecordView, clock: Clock): Promise<TrackedState> {
    const state = new TrackedState(view);
    let early: ViewUpdate[] | undefined = [];
    view.subscribe((update) => {
      if (early === undefined) state.#follow(update);
      else early.push(update);
    });
    await state.#build(new Slices(clock));
    // Some of these the build has met already: to index a record twice is the same as once.
    for (const update of early) state.#follow(update);
    early = undefined;
    return state;
  }

  get revision(): Revision {
    return this.#view.revision;
  }

  get place(): Place {
    return this.#view.place;
  }

  /** Tracked containers, whatever their state. */
  get containerCount(): number {
    return this.#walked.container.size;
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

  *all<K extends WalkedKind>(kind: K): Generator<RecordOfKind[K], void, undefined> {
    for (const [, record] of this.named(kind)) yield record;
  }

  /** All records of a kind, with what they are about. They may change meanwhile. */
  *named<K extends WalkedKind>(kind: K): Generator<readonly [string, RecordOfKind[K]], void, undefined> {
    const prefix = keyOf[kind]("");
    for (const key of this.#walked[kind]) {
      const stored = this.#view.get(key);
      if (stored !== undefined) yield [key.slice(prefix.length), read(kind, stored.value)];
    }
  }

  /** Every record, of any kind, in no order. They may change meanwhile. */
  records(): Iterable<StoredRecord> {
    return this.#view.entries();
  }

  /** How many memberships there are in a group, whatever its record says. */
  memberCountOf(group: string): number {
    return this.#members.countOf(group);
  }

  membersOf(group: string): readonly string[] {
    return this.#members.of(group);
  }

  isMember(group: string, key: string): boolean {
    return this.#members.has(group, key);
  }

  /** When a container's node or SSH port answered last, newer than its record says. */
  seenTimeMs(key: string): number | undefined {
    return this.#seenTimeMs.get(key);
  }

  noteSeen(key: string, timeMs: number): void {
    if (this.get("container", key) !== undefined) this.#seenTimeMs.set(key, timeMs);
  }

  /** Resolves when the state shows a commit. */
  async reached(revision: Revision, signal?: AbortSignal, from?: Place): Promise<void> {
    await this.#view.reached(revision, signal, from);
  }

  /** Whether its store does not answer, as far as that was noticed. */
  get isBehind(): boolean {
    return this.#view.behindSinceMs !== undefined;
  }

  /** Tells at once, and each time that it changes, whether the store does not answer. @returns what ends it */
  onStanding(listener: (isBehind: boolean) => void): () => void {
    return this.#view.onStanding(listener);
  }

  /** Calls `listener` for each commit once, in order, after the state has it. @returns what ends it */
  subscribe(listener: ViewListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #build(slices: Slices): Promise<void> {
    const groups: string[] = [];
    for (const { key, value } of this.#view.entries()) {
      const known = readKey(key);
      this.#noteWalked(known?.kind, key, value);
      try {
        if (known?.kind === "group") groups.push(groupName(known.subject));
        else if (known?.kind === "membership") this.#members.enter(known.subject, value);
        else this.#noteSubject(key, value);
      } catch {
        throw unreadable("the state holds a record that is none of ours", key);
      }
      if (slices.isOver) await slices.rest();
    }
    this.#groupNames = new SortedNames(groups);
    await slices.rest();
    this.#names = new SortedNames(this.#subjects.keys());
    await slices.rest();
  }

  #follow(update: ViewUpdate): void {
    const changes = update.kind === "changed" ? update.changeSet.changes : update.changes;
    // One record that is none of ours, and one listener's fault, are not the others'. The view says so in the log.
    const failures: unknown[] = [];
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        failures.push(error);
      }
    };
    for (const { key, value, previous } of changes) attempt(() => this.#index(key, previous, value));
    for (const listener of [...this.#listeners]) attempt(() => listener(update));
    if (failures.length > 0) throw failures[0] as Error;
  }

  #index(key: string, previous: RecordValue | undefined, value: RecordValue | undefined): void {
    const known = readKey(key);
    this.#noteWalked(known?.kind, key, value);
    if (known?.kind === "group") {
      if (value === undefined) this.#groupNames.delete(groupName(known.subject));
      else this.#groupNames.add(groupName(known.subject));
    } else if (known?.kind === "membership") {
      if (previous !== undefined) this.#members.leave(known.subject, previous);
      if (value !== undefined) this.#members.enter(known.subject, value);
    } else if (value === undefined) {
      this.#dropSubject(key, previous);
    } else {
      const name = this.#noteSubject(key, value);
      if (name !== undefined) this.#names.add(name);
    }
  }

  #noteWalked(kind: RecordKind | undefined, key: string, value: RecordValue | undefined): void {
    if (kind === undefined || !(kind in this.#walked)) return;
    const keys = this.#walked[kind as WalkedKind];
    if (value === undefined) keys.delete(key);
    else keys.add(key);
  }

  #noteSubject(key: string, value: RecordValue): string | undefined {
    const named = namedSubject(key, value);
    if (named === undefined) return undefined;
    // A container and its tombstone have the same name. Both are there only for moments, after a loss.
    const isHidden = named.kind === "tombstone" && this.get("container", named.subject) !== undefined;
    if (!isHidden) this.#subjects.set(named.name, { kind: named.kind, subject: named.subject });
    return named.name;
  }

  #dropSubject(key: string, previous: RecordValue | undefined): void {
    const named = previous === undefined ? undefined : namedSubject(key, previous);
    if (named === undefined) return;
    if (named.kind === "container") this.#seenTimeMs.delete(named.subject);
    const { subject } = named;
    if (this.#subjects.get(named.name)?.kind !== named.kind) return;
    if (named.kind === "container" && this.get("tombstone", subject) !== undefined) {
      this.#subjects.set(named.name, { kind: "tombstone", subject });
      return;
    }
    this.#subjects.delete(named.name);
    this.#names.delete(named.name);
  }
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
    case "gatewayKeys":
      return undefined;
  }
}

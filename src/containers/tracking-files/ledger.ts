/** What the files held last, and what we took out of them. */
import type { MirrorTimes } from "../../store/mirror/limits.js";
import { hold, type HeldEntry, notYetMs, type Removal } from "../../store/mirror/merge-keys.js";
import type { GroupEntry, TrackedEntry } from "./contract.js";
import type { Fingerprints } from "./entry.js";
import type { Slices } from "../../store/mirror/slices.js";
import { type Held, type HeldEntries, membershipsOf, type Removals } from "./foreign-changes.js";
import { type GroupDocument, membersFingerprints } from "./group-document.js";
import type { Refused } from "./refused.js";
import type { TrackedDocument } from "./tracked-document.js";

type Times = Pick<MirrorTimes, "removalKeptMs" | "maxRemovals">;

/** One kind of thing that stands in a file. */
class Shelf {
  held: ReadonlyMap<string, HeldEntry>;
  readonly removals: Map<string, Removal>;
  readonly #coming = new Map<string, HeldEntry>();

  constructor(held: ReadonlyMap<string, HeldEntry>, removals: ReadonlyMap<string, Removal>) {
    this.held = held;
    this.removals = new Map(removals);
  }

  /** What the next start is to know: also what a write under way adds or changes. */
  *known(): Generator<readonly [string, HeldEntry], void, undefined> {
    for (const [key, held] of this.held) yield [key, this.#coming.get(key) ?? held];
    for (const [key, coming] of this.#coming) if (!this.held.has(key)) yield [key, coming];
  }

  /** We are about to write the file. @returns whether it will hold what it did not hold */
  async announce(entries: Iterable<readonly [string, string]>, slices: Slices): Promise<boolean> {
    this.#coming.clear();
    for (const [key, fingerprint] of entries) {
      const old = this.held.get(key);
      if (old === undefined) this.#coming.set(key, { fingerprint, sinceMs: notYetMs, textSinceMs: notYetMs });
      else if (old.fingerprint !== fingerprint)
        this.#coming.set(key, { ...old, fingerprint, textSinceMs: notYetMs, previous: old.fingerprint });
      if (slices.isOver) await slices.rest();
    }
    return this.#coming.size > 0;
  }

  /** It is written, or is not going to be. */
  endAnnouncement(): void {
    this.#coming.clear();
  }

  /** Others wrote the file, and that has been merged. */
  async took(entries: ReadonlyMap<string, string>, writtenMs: number, slices: Slices): Promise<void> {
    const held = await hold(entries, this.held, writtenMs, slices);
    // What was announced and is not there may stand under the file's other name, from before a crash.
    for (const [key, old] of this.held) if (old.sinceMs === notYetMs && !held.has(key)) held.set(key, old);
    this.held = held;
  }

  /** We wrote the file: what it held and does not hold now, we removed. */
  async wrote(
    entries: ReadonlyMap<string, string>,
    writtenMs: number,
    times: Times,
    slices: Slices,
  ): Promise<void> {
    for (const [key, { fingerprint }] of this.held) {
      if (slices.isOver) await slices.rest();
      if (entries.has(key)) continue;
      this.removals.delete(key);
      this.removals.set(key, { fingerprint, atMs: writtenMs });
    }
    for (const [key, { atMs }] of this.removals) {
      const isOver = this.removals.size > times.maxRemovals || writtenMs - atMs > times.removalKeptMs;
      if (!isOver) break;
      this.removals.delete(key);
    }
    this.held = await hold(entries, this.held, writtenMs, slices);
  }

  /** The file has another name from now on, and may hold nothing yet: its absences say nothing. */
  rename(): void {
    const renamed = [...this.held].map(
      ([key, old]) => [key, { ...old, sinceMs: notYetMs, textSinceMs: notYetMs }] as const,
    );
    this.held = new Map(renamed);
  }
}

export class Ledger {
  readonly #containers: Shelf;
  readonly #fingerprints: Fingerprints;
  readonly #times: Times;
  readonly #groups: Shelf;
  readonly #members: Shelf;
  /** Whether it differs from what was saved. */
  isDirty = true;

  constructor(
    { held, removals }: { readonly held: Held; readonly removals: Removals },
    fingerprints: Fingerprints,
    times: Times,
  ) {
    this.#containers = new Shelf(held.containers, removals.containers);
    this.#groups = new Shelf(held.groups, removals.groups);
    this.#members = new Shelf(held.members, removals.members);
    this.#fingerprints = fingerprints;
    this.#times = times;
  }

  get held(): Held {
    return { containers: this.#containers.held, groups: this.#groups.held, members: this.#members.held };
  }

  get removals(): Removals {
    return {
      containers: this.#containers.removals,
      groups: this.#groups.removals,
      members: this.#members.removals,
    };
  }

  /** What the next start is to know of the files, where a write under way may end at any moment. */
  get known(): HeldEntries {
    const [containers, groups, members] = [this.#containers, this.#groups, this.#members];
    return { containers: containers.known(), groups: groups.known(), members: members.known() };
  }

  /** We are about to write the files. @returns whether the next start would not know all that they will hold */
  async announce(
    containers: ReadonlyMap<string, TrackedEntry>,
    groups: readonly GroupEntry[],
    slices: Slices,
  ): Promise<boolean> {
    const isNew = [
      await this.#containers.announce(fingerprintsOf(containers, this.#fingerprints), slices),
      await this.#groups.announce(await membersFingerprints(groups, slices), slices),
      await this.#members.announce(await membershipsOf(groups, slices), slices),
    ].includes(true);
    this.isDirty ||= isNew;
    return isNew;
  }

  endAnnouncement(): void {
    for (const shelf of [this.#containers, this.#groups, this.#members]) shelf.endAnnouncement();
  }

  /** The group file has another name from now on: what is not in it yet, nobody removed. */
  renameGroups(): void {
    this.#groups.rename();
    this.#members.rename();
    this.isDirty = true;
  }

  /** The group file was moved aside. */
  forgetGroups(): void {
    this.#groups.held = new Map();
    this.#members.held = new Map();
    this.isDirty = true;
  }

  /** The tracked file was moved aside. */
  forgetContainers(): void {
    this.#containers.held = new Map();
    this.isDirty = true;
  }

  /** @param refused - what the state did not take is not ours: it is offered again */
  async tookContainers(
    document: TrackedDocument,
    writtenMs: number,
    refused: Refused,
    slices: Slices,
  ): Promise<void> {
    await this.#containers.took(await this.#containerTexts(document, refused, slices), writtenMs, slices);
    this.isDirty = true;
  }

  async wroteContainers(
    document: TrackedDocument,
    writtenMs: number,
    refused: Refused,
    slices: Slices,
  ): Promise<void> {
    const texts = await this.#containerTexts(document, refused, slices);
    await this.#containers.wrote(texts, writtenMs, this.#times, slices);
    this.isDirty = true;
  }

  async tookGroups(
    document: GroupDocument,
    writtenMs: number,
    refused: Refused,
    slices: Slices,
  ): Promise<void> {
    await this.#groups.took(await groupTexts(document, refused, slices), writtenMs, slices);
    await this.#members.took(await memberTexts(document, refused, slices), writtenMs, slices);
    this.isDirty = true;
  }

  async wroteGroups(
    document: GroupDocument,
    writtenMs: number,
    refused: Refused,
    slices: Slices,
  ): Promise<void> {
    const members = await memberTexts(document, refused, slices);
    await this.#groups.wrote(await groupTexts(document, refused, slices), writtenMs, this.#times, slices);
    await this.#members.wrote(members, writtenMs, this.#times, slices);
    this.isDirty = true;
  }

  async #containerTexts(
    { byKey }: TrackedDocument,
    refused: Refused,
    slices: Slices,
  ): Promise<Map<string, string>> {
    const texts = new Map<string, string>();
    for (const [key, entry] of byKey) {
      if (!refused.containers.has(key)) texts.set(key, this.#fingerprints.of(entry));
      if (slices.isOver) await slices.rest();
    }
    return texts;
  }
}

function* fingerprintsOf(
  entries: ReadonlyMap<string, TrackedEntry>,
  fingerprints: Fingerprints,
): Generator<readonly [string, string]> {
  for (const [key, entry] of entries) yield [key, fingerprints.of(entry)];
}

async function groupTexts(
  { byId }: GroupDocument,
  refused: Refused,
  slices: Slices,
): Promise<Map<string, string>> {
  const taken = [...byId.values()].filter(({ id }) => !refused.groups.has(id));
  return await membersFingerprints(taken, slices);
}

async function memberTexts(
  { byId }: GroupDocument,
  refused: Refused,
  slices: Slices,
): Promise<Map<string, string>> {
  const taken = [...byId.values()].filter(({ id }) => !refused.groups.has(id));
  const memberships = await membershipsOf(taken, slices);
  for (const key of refused.members) memberships.delete(key);
  return memberships;
}

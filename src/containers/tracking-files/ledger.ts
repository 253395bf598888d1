/** What the files held last, and what we took out of them. */
import type { MirrorTimes } from "../../store/mirror/limits.js";
import { hold, type HeldEntry, type Removal } from "../../store/mirror/merge-keys.js";
import type { Fingerprints } from "./entry.js";
import type { Slices } from "../../store/mirror/slices.js";
import { type Held, membershipsOf, type Removals } from "./foreign-changes.js";
import { type GroupDocument, membersFingerprint } from "./group-document.js";
import type { TrackedDocument } from "./tracked-document.js";

type Times = Pick<MirrorTimes, "removalKeptMs" | "maxRemovals">;

/** One kind of thing that stands in a file. */
class Shelf {
  held: ReadonlyMap<string, HeldEntry>;
  readonly removals: Map<string, Removal>;

  constructor(held: ReadonlyMap<string, HeldEntry>, removals: ReadonlyMap<string, Removal>) {
    this.held = held;
    this.removals = new Map(removals);
  }

  /** Others wrote the file, and that has been merged. */
  async took(entries: ReadonlyMap<string, string>, writtenMs: number, slices: Slices): Promise<void> {
    this.held = await hold(entries, this.held, writtenMs, slices);
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
    await this.took(entries, writtenMs, slices);
  }
}

export class Ledger {
  readonly #containers: Shelf;
  readonly #fingerprints: Fingerprints;
  readonly #times: Times;
  #groups: Shelf;
  #members: Shelf;
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

  /** The group file has another name from now on: what is not in it yet, nobody removed. */
  forgetGroups(): void {
    this.#groups = new Shelf(new Map(), this.#groups.removals);
    this.#members = new Shelf(new Map(), this.#members.removals);
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
    await this.#groups.took(groupTexts(document, refused), writtenMs, slices);
    await this.#members.took(memberTexts(document, refused), writtenMs, slices);
    this.isDirty = true;
  }

  async wroteGroups(
    document: GroupDocument,
    writtenMs: number,
    refused: Refused,
    slices: Slices,
  ): Promise<void> {
    await this.#groups.wrote(groupTexts(document, refused), writtenMs, this.#times, slices);
    await this.#members.wrote(memberTexts(document, refused), writtenMs, this.#times, slices);
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

export interface Refused {
  readonly containers: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  /** As `membershipKey` spells them. */
  readonly members: ReadonlySet<string>;
}

function groupTexts({ byId }: GroupDocument, refused: Refused): Map<string, string> {
  const entries = [...byId].filter(([id]) => !refused.groups.has(id));
  return new Map(entries.map(([id, group]) => [id, membersFingerprint(group)]));
}

function memberTexts({ byId }: GroupDocument, refused: Refused): Map<string, string> {
  const memberships = membershipsOf([...byId.values()].filter(({ id }) => !refused.groups.has(id)));
  for (const key of refused.members) memberships.delete(key);
  return memberships;
}

import type { Logger } from "../../observability/logger.js";
import type { MirrorTimes } from "../../store/mirror/limits.js";
import { Slices } from "../../store/mirror/slices.js";
import { failpoint } from "../../system/failpoint.js";
import type { Clock } from "../../system/clock.js";
import type { ForeignChanges, GroupEntry, ImportChanges, TrackedEntry, TrackingState } from "./contract.js";
import type { Fingerprints } from "./entry.js";
import { type Foreign, isEmpty, mergeForeign } from "./foreign-changes.js";
import { type GroupDocument, planGroups } from "./group-document.js";
import type { Ledger } from "./ledger.js";
import { Refused } from "./refused.js";
import { planTracked, type TrackedDocument } from "./tracked-document.js";
import type { Sight, TrackingFile } from "./tracking-file.js";

export interface FilePairOptions {
  readonly state: TrackingState;
  readonly importChanges: ImportChanges;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly times: MirrorTimes;
}

/** What a write came to. */
export type WriteResult =
  /** The files say what the state said when it began. */
  | "CURRENT"
  /** One of them cannot be written now. */
  | "FAILED"
  /** Others wrote meanwhile: to be merged first. */
  | "OVERTAKEN";

/** Both files together: their merge with the state, and the order in which they are written. */
export class FilePair {
  readonly containers: TrackingFile<TrackedDocument>;
  groups: TrackingFile<GroupDocument>;
  readonly #ledger: Ledger;
  readonly #fingerprints: Fingerprints;
  readonly #options: FilePairOptions;
  readonly #refused = new Refused();

  constructor(
    files: {
      readonly containers: TrackingFile<TrackedDocument>;
      readonly groups: TrackingFile<GroupDocument>;
    },
    ledger: Ledger,
    fingerprints: Fingerprints,
    options: FilePairOptions,
    /** Keeps for the next start what the ledger knows. */
    readonly saveLedger: () => Promise<void>,
  ) {
    this.containers = files.containers;
    this.groups = files.groups;
    this.#ledger = ledger;
    this.#fingerprints = fingerprints;
    this.#options = options;
  }

  /** Brings what others wrote into the state, as one. @throws what `importChanges` throws; then nothing has changed */
  async merge(
    containers: Sight<TrackedDocument> | undefined,
    groups: Sight<GroupDocument> | undefined,
    isFirst: boolean,
  ): Promise<void> {
    const theirContainers = foreignOf(containers);
    const theirGroups = foreignOf(groups);
    if (theirContainers === undefined && theirGroups === undefined) return;
    const slices = new Slices(this.#options.clock, this.#options.times.sliceMs);
    await this.#import(theirContainers, theirGroups, isFirst ? "first" : "change");
    if (containers?.kind === "foreign") this.containers.adopt(containers.document, containers.mark);
    if (groups?.kind === "foreign") this.groups.adopt(groups.document, groups.mark);
    await this.#refused.forgetTaken(this.#options.state, slices);
    await this.#refused.forgetGone(this.containers.disk, this.groups.disk, slices);
    if (containers?.kind === "foreign")
      await this.#ledger.tookContainers(containers.document, containers.appearedMs, this.#refused, slices);
    if (groups?.kind === "foreign")
      await this.#ledger.tookGroups(groups.document, groups.appearedMs, this.#refused, slices);
    failpoint("mirror.merged");
  }

  /** Takes over the groups of a file that is no longer the written one: nothing of ours goes. */
  async takeOver({ document, appearedMs }: Foreign<GroupDocument>): Promise<void> {
    await this.#import(undefined, { document, appearedMs }, "addition");
  }

  async #import(
    containers: Foreign<TrackedDocument> | undefined,
    groups: Foreign<GroupDocument> | undefined,
    kind: "first" | "change" | "addition",
  ): Promise<void> {
    const { state, times, logger, importChanges, clock } = this.#options;
    const {
      changes: all,
      staleCount,
      untrackedMemberCount,
    } = await mergeForeign({
      containers,
      groups,
      state,
      held: kind === "first" ? undefined : this.#ledger.held,
      removals: this.#ledger.removals,
      lastTracked: this.containers.disk,
      fingerprints: this.#fingerprints,
      slices: new Slices(clock, times.sliceMs),
      times,
    });
    const changes = kind === "addition" ? { ...all, removedGroups: [], removedMembers: [] } : all;
    if (!isEmpty(changes)) {
      const nowMs = clock.nowMs();
      const appeared = {
        containersMs: containers?.appearedMs ?? nowMs,
        groupsMs: groups?.appearedMs ?? nowMs,
      };
      this.#refused.add((await importChanges(changes, appeared)) ?? {});
    }
    const counts = { ...countsOf(changes), staleCount, untrackedMemberCount };
    if (Object.values(counts).some((count) => count > 0))
      logger.info(counts, "tracking files of others merged");
  }

  /**
   * Writes what the state says now. Members that go leave the groups first, containers are tracked before they are
   * members, and a container that a group file still names, because it cannot be written, stays tracked.
   */
  async write(): Promise<WriteResult> {
    const { state, clock, times } = this.#options;
    const slices = new Slices(clock, times.sliceMs);
    await this.#refused.forgetTaken(state, slices);
    // Both in one moment: nothing may wait in between.
    const entries = [...state.containers()];
    const groups = [...state.groups()];
    const wanted = new Map<string, TrackedEntry>();
    for (const entry of entries) {
      wanted.set(entry.key, entry);
      if (slices.isOver) await slices.rest();
    }
    if (await this.#ledger.announce(wanted, groups, slices)) await this.saveLedger();
    try {
      return await this.#writeBoth(wanted, groups, slices);
    } finally {
      this.#ledger.endAnnouncement();
    }
  }

  async #writeBoth(
    wanted: ReadonlyMap<string, TrackedEntry>,
    groups: readonly GroupEntry[],
    slices: Slices,
  ): Promise<WriteResult> {
    // What the state refused stands in the tracked file all the same, and so it may in groups.
    const trackedOnDisk = (key: string): TrackedEntry | undefined => {
      const standing = this.containers.disk.byKey.get(key);
      const refused = this.#refused.containers.has(key) ? standing : undefined;
      return standing === undefined ? undefined : (wanted.get(key) ?? refused);
    };
    const results: WriteResult[] = [];
    let named = await this.#namedInGroups(slices);
    if (await hasOther(named, wanted, slices)) {
      results.push(await this.#writeGroups(groups, trackedOnDisk, slices));
      failpoint("mirror.groupsLeft");
      named = await this.#namedInGroups(slices);
    }
    results.push(await this.#writeContainers(wanted, named, slices));
    failpoint("mirror.containersWritten");
    results.push(await this.#writeGroups(groups, trackedOnDisk, slices));
    failpoint("mirror.groupsWritten");
    if (results.includes("OVERTAKEN")) return "OVERTAKEN";
    return results.includes("FAILED") ? "FAILED" : "CURRENT";
  }

  async #namedInGroups(slices: Slices): Promise<ReadonlySet<string>> {
    const named = new Set<string>();
    for (const { memberKeys } of this.groups.disk.byId.values()) {
      for (const key of memberKeys) named.add(key);
      if (slices.isOver) await slices.rest();
    }
    return named;
  }

  async #writeContainers(
    wanted: ReadonlyMap<string, TrackedEntry>,
    named: ReadonlySet<string>,
    slices: Slices,
  ): Promise<WriteResult> {
    const { disk } = this.containers;
    const keeps = (key: string): boolean => this.#refused.containers.has(key) || named.has(key);
    const document = await planTracked(disk, wanted, keeps, { fingerprints: this.#fingerprints, slices });
    if (document === disk) return "CURRENT";
    const writtenMs = await this.containers.write(document);
    if (typeof writtenMs !== "number") return writtenMs;
    await this.#ledger.wroteContainers(document, writtenMs, this.#refused, slices);
    return "CURRENT";
  }

  async #writeGroups(
    groups: Iterable<GroupEntry>,
    tracked: (key: string) => TrackedEntry | undefined,
    slices: Slices,
  ): Promise<WriteResult> {
    const { disk } = this.groups;
    const document = await planGroups(
      disk,
      {
        groups,
        tracked,
        refusedGroups: this.#refused.groups,
        refusedMembers: this.#refused.members,
        fingerprints: this.#fingerprints,
      },
      slices,
    );
    if (document === disk) return "CURRENT";
    const writtenMs = await this.groups.write(document);
    if (typeof writtenMs !== "number") return writtenMs;
    await this.#ledger.wroteGroups(document, writtenMs, this.#refused, slices);
    return "CURRENT";
  }
}

/** Whether a key is none of those that are wanted. */
async function hasOther(
  keys: Iterable<string>,
  wanted: ReadonlyMap<string, unknown>,
  slices: Slices,
): Promise<boolean> {
  for (const key of keys) {
    if (!wanted.has(key)) return true;
    if (slices.isOver) await slices.rest();
  }
  return false;
}

const foreignOf = <Document>(sight: Sight<Document> | undefined): Foreign<Document> | undefined =>
  sight?.kind === "foreign" ? sight : undefined;

const countsOf = (changes: ForeignChanges): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(changes).map(([name, list]: [string, readonly unknown[]]) => [
      `${name}Count`,
      list.length,
    ]),
  );

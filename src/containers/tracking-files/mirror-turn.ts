import { Slices } from "../../store/mirror/slices.js";
import type { DiskTime } from "../../system/disk-time.js";
import { failpoint } from "../../system/failpoint.js";
import { absent, markOf } from "../../system/file-marks.js";
import { readFileWithin } from "../../system/read-file.js";
import { removeTemporaries, replaceFile } from "../../system/replace-file.js";
import type { OpenResult, TrackingFileName } from "./contract.js";
import { Fingerprints } from "./entry.js";
import { containersKind, groupsKind } from "./file-kinds.js";
import { FilePair, type FilePairOptions, type WriteResult } from "./file-pair.js";
import { exists, firstGroupsPath, GroupFileNames, type GroupNames } from "./group-names.js";
import {
  formatLastWritten,
  type LastWritten,
  nothingHeld,
  nothingRemoved,
  parseLastWritten,
} from "./last-written.js";
import { Ledger } from "./ledger.js";
import { type Sight, TrackingFile } from "./tracking-file.js";

export interface MirrorTurnOptions extends FilePairOptions {
  readonly containersPath: string;
  /** The one path that config.json says, or the names that are in use. */
  readonly groups: { readonly path: string } | GroupNames;
  /** Our own file beside them. */
  readonly ledgerPath: string;
  readonly disk: DiskTime;
}

/** IDLE: nothing was to be written, or may be now. */
export type TurnResult = WriteResult | "IDLE";

/** One turn after the other: look at both files, merge what others did, write what is missing. */
export class MirrorTurn {
  readonly #options: MirrorTurnOptions;
  readonly #fingerprints = new Fingerprints();
  #pair: FilePair | undefined;
  #ledger: Ledger | undefined;
  #names: GroupFileNames | undefined;
  #savedMs = -Infinity;

  constructor(options: MirrorTurnOptions) {
    this.#options = options;
  }

  /** Every file that others may write. */
  get paths(): readonly string[] {
    const { containersPath, groups } = this.#options;
    return [containersPath, ...("path" in groups ? [groups.path] : [groups.plural, groups.singular])];
  }

  /** Files that cannot be written or read now, and why. */
  get failing(): ReadonlyMap<TrackingFileName, string> {
    const files = [this.#pair?.containers, this.#pair?.groups];
    return new Map(
      files.flatMap((file) => (file?.failure === undefined ? [] : [[file.name, file.failure] as const])),
    );
  }

  /** Entries that name no container or group. */
  get unreadableEntryCount(): number {
    const entries = this.#pair?.containers.disk.entries.filter(({ entry }) => entry === undefined);
    const groups = this.#pair?.groups.disk.groups.filter(({ group }) => group === undefined);
    return (entries?.length ?? 0) + (groups?.length ?? 0);
  }

  /** Reads what we knew of the files; if that is nothing, imports them. */
  async open(acceptsLoss: boolean): Promise<OpenResult> {
    const { groups, state, times, containersPath } = this.#options;
    const last = await this.#readLedger();
    const isFirst = last?.lineage !== state.lineage;
    const known = isFirst ? { held: nothingHeld, removals: nothingRemoved } : last;
    const ledger = new Ledger(known, this.#fingerprints, times);
    const lastPath = isFirst ? undefined : last.groupsPath;
    const groupsPath = "path" in groups ? groups.path : await startingPath(groups, lastPath);
    if (lastPath !== undefined && lastPath !== groupsPath) ledger.renameGroups();
    for (const path of [...this.paths, this.#options.ledgerPath]) await removeTemporaries(path);
    const pair = new FilePair(
      {
        containers: new TrackingFile(containersPath, containersKind, this.#options),
        groups: new TrackingFile(groupsPath, groupsKind, this.#options),
      },
      ledger,
      this.#fingerprints,
      this.#options,
      () => this.saveLedger(),
    );
    if (isFirst) {
      const result = await importFirst(pair, acceptsLoss);
      if (result.kind === "read-only") return result;
      failpoint("import.first");
    }
    this.#pair = pair;
    this.#ledger = ledger;
    const openFile = (path: string) => new TrackingFile(path, groupsKind, this.#options);
    const { logger } = this.#options;
    if (!("path" in groups)) this.#names = new GroupFileNames({ names: groups, openFile, ledger, logger });
    if (isFirst) await this.saveLedger();
    return { kind: "mirroring" };
  }

  async run(mayWrite: boolean): Promise<TurnResult> {
    const { state, clock } = this.#options;
    const pair = this.#pair;
    const ledger = this.#ledger;
    if (pair === undefined || ledger === undefined) return "IDLE";
    const isNothingToLose = state.containerCount === 0 && pair.containers.disk.entries.length === 0;
    // A file that never held anything may be missing: others tracked while we were not there.
    const { held } = ledger;
    const containers = await pair.containers.look(isNothingToLose, held.containers.size === 0);
    // What the groups say is judged by what is tracked.
    if (await this.#waits(containers, pair.containers)) return "OVERTAKEN";
    const holdsGroup = pair.groups.disk.groups.length > 0 || !isDone(state.groups());
    const groups = await pair.groups.look(!holdsGroup, held.groups.size === 0);
    if (await this.#waits(groups, pair.groups)) return "OVERTAKEN";
    await pair.merge(containers, containers.kind === "failed" ? undefined : groups, false);
    const isNamedAnew = groups.kind !== "failed" && (await this.#names?.settle(pair)) === true;
    const isForeign = containers.kind !== "same" || groups.kind !== "same" || isNamedAnew;
    // What was merged must not come again at the next start: it may be removed by then.
    if (isForeign) await this.saveLedger();
    const result = mayWrite || isForeign ? await pair.write() : "IDLE";
    if (result === "CURRENT") await this.#names?.retire();
    if (clock.monotonicMs() - this.#savedMs >= this.#options.times.pollMs) await this.saveLedger();
    return result;
  }

  /** Keeps for the next start what the files held last. */
  async saveLedger(): Promise<void> {
    const { clock, disk, times, ledgerPath, logger, state } = this.#options;
    const ledger = this.#ledger;
    const pair = this.#pair;
    if (ledger?.isDirty !== true || pair === undefined) return;
    const { known: held, removals } = ledger;
    const last = { lineage: state.lineage, groupsPath: pair.groups.path, held, removals };
    this.#savedMs = clock.monotonicMs();
    try {
      await disk.limit((signal) =>
        replaceFile(ledgerPath, formatLastWritten(last, new Slices(clock, times.sliceMs)), {
          mode: 0o600,
          signal,
        }),
      );
      ledger.isDirty = false;
      failpoint("mirror.saved");
    } catch (error) {
      // Without it the next start takes nothing for removed by others: no entry is lost.
      logger.debug({ err: error, path: ledgerPath }, "side file of the tracking files lags behind");
    }
  }

  /** Whether a file has to be left alone for now. One that stays damaged is moved aside, to be written anew. */
  async #waits<Document>(sight: Sight<Document>, file: TrackingFile<Document>): Promise<boolean> {
    if (sight.kind === "pending") return true;
    if (sight.kind !== "damaged") return false;
    const { times, logger } = this.#options;
    if (!file.isDamagedFor(sight.mark, times.damageMs)) return true;
    const name = await file.moveAside("corrupt");
    if (name === undefined) return false;
    if (file.name === "containers") this.#ledger?.forgetContainers();
    else this.#ledger?.forgetGroups();
    logger.warn(
      { path: file.path, name, why: sight.why },
      "tracking file is damaged: moved aside and written anew",
    );
    return false;
  }

  async #readLedger(): Promise<LastWritten | undefined> {
    const { ledgerPath: path, disk, clock, times, logger } = this.#options;
    try {
      const bytes = await disk.limit(async (signal) =>
        (await markOf(path)) === absent ? undefined : await readFileWithin(path, times.maxFileBytes, signal),
      );
      if (bytes === undefined) return undefined;
      const last = await parseLastWritten(bytes, new Slices(clock, times.sliceMs));
      if (last === undefined)
        logger.warn({ path }, "side file of the tracking files is damaged: they are imported anew");
      return last;
    } catch (error) {
      logger.warn(
        { err: error, path },
        "side file of the tracking files cannot be read: they are imported anew",
      );
      return undefined;
    }
  }
}

/** Where the file of last time is still there, what happened to it since comes first. */
async function startingPath(names: GroupNames, last: string | undefined): Promise<string> {
  const isLastThere = last === names.singular && (await exists(last));
  return isLastThere ? last : await firstGroupsPath(names);
}

/** A file that others are writing is whole a moment later. */
const importAttempts = 50;

async function importFirst(pair: FilePair, acceptsLoss: boolean): Promise<OpenResult> {
  const containers = await firstSight(pair.containers, acceptsLoss);
  const groups = await firstSight(pair.groups, acceptsLoss);
  for (const [file, sight] of [
    ["containers", containers],
    ["groups", groups],
  ] as const) {
    if (sight.kind === "damaged") return { kind: "read-only", file, failure: "DAMAGED", why: sight.why };
    if (sight.kind === "failed") return { kind: "read-only", file, failure: "UNREADABLE", why: sight.why };
    if (sight.kind === "pending") {
      return { kind: "read-only", file, failure: "UNREADABLE", why: "others keep writing it" };
    }
  }
  await pair.merge(containers, groups, true);
  return { kind: "mirroring" };
}

async function firstSight<Document>(
  file: TrackingFile<Document>,
  acceptsLoss: boolean,
): Promise<Sight<Document>> {
  for (let attempt = 1; ; attempt += 1) {
    const sight = await file.look(true);
    if (sight.kind === "damaged" && acceptsLoss) await file.moveAside("corrupt");
    else if (sight.kind !== "pending") return sight;
    if (attempt === importAttempts) return sight;
  }
}

const isDone = (values: Iterable<unknown>): boolean => values[Symbol.iterator]().next().done === true;

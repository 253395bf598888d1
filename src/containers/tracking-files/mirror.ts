import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "../../observability/logger.js";
import { StoreError } from "../../store/errors.js";
import { syncFolder } from "../../system/sync-folder.js";
import { change, type ChangeDeps } from "../change.js";
import { fileImports } from "./file-imports.js";
import { MirroredState } from "./mirrored-state.js";
import type { OpenResult } from "./contract.js";
import { TrackingFiles, type TrackingFilesOptions } from "./tracking-files.js";

export interface MirrorDeps {
  readonly trackingFiles: Pick<TrackingFilesOptions, "containersPath" | "groups" | "ledgerPath">;
  /** Whether a damaged tracking file that was never imported may be given up. */
  readonly acceptsLoss: boolean;
}

export interface Mirror {
  /**
   * Resolves once callers may change the state: where the gateway before left the files undone, not before a look at them.
   *
   * @throws {StoreError} STATE_READ_ONLY: a file that was never imported cannot be read
   */
  writable(): Promise<void>;
  /** Resolves when the files say what the state says, as far as they can be written. */
  close(): Promise<void>;
}

/**
 * Joins the state with the tracking files. A state that is empty, or new but for what the local journal has told it, waits for
 * its import; any other serves meanwhile.
 *
 * @throws {StoreError} what was imported cannot be committed
 */
export async function openMirror(
  { trackingFiles, acceptsLoss }: MirrorDeps,
  base: ChangeDeps & { readonly logger: Logger },
): Promise<Mirror> {
  const { state, clock, logger } = base;
  const { lineage, isNew } = await lineageOf(base);
  let files: TrackingFiles | undefined;
  const unsubscribe = state.subscribe(() => files?.noteCommit());
  let obstacle: Extract<OpenResult, { kind: "read-only" }> | undefined;
  const open = async (): Promise<void> => {
    const mirrored = await MirroredState.open(state, lineage, clock);
    files = new TrackingFiles({
      ...trackingFiles,
      state: mirrored,
      importChanges: fileImports(base),
      logger,
      clock,
    });
    const result = await files.open({ acceptsLoss });
    if (result.kind === "mirroring") return;
    obstacle = result;
    logger.error(
      { file: result.file, failure: result.failure },
      "READ ONLY: a tracking file cannot be read and was never imported; mend it, or start with --accept-loss",
    );
  };
  const closedMark = `${trackingFiles.ledgerPath}.closed`;
  const wasKilled = !(await takeAway(closedMark)) && existsSync(trackingFiles.ledgerPath);
  const opening = open();
  if (isNew || state.containerCount === 0) await opening;
  // Killed between an import and the note of it, or ended without a last look at the files: what callers take back must
  // not come before they are looked at.
  const looked = wasKilled ? opening.catch(() => undefined) : undefined;
  opening.catch((error: unknown) => logger.error({ err: error }, "the tracking files are not mirrored"));
  return {
    async writable() {
      await looked;
      if (obstacle === undefined) return;
      const hint = obstacle.failure === "DAMAGED" ? "; a restart with --accept-loss gives it up" : "";
      throw new StoreError(
        "STATE_READ_ONLY",
        `the file of ${obstacle.file} cannot be read: ${obstacle.why}${hint}`,
      );
    },
    async close() {
      await opening.catch(() => undefined);
      unsubscribe();
      if ((await files?.close()) === true)
        await writeFile(closedMark, "", { mode: 0o600 }).catch(() => undefined);
    },
  };
}

/** For good: after a power cut it must not tell of an earlier end. @returns whether it was there */
async function takeAway(path: string): Promise<boolean> {
  try {
    await rm(path);
    await syncFolder(dirname(path));
    return true;
  } catch {
    return false;
  }
}

async function lineageOf(base: ChangeDeps): Promise<{ readonly lineage: string; readonly isNew: boolean }> {
  return await change(base, (draft) => {
    const known = draft.get("lineage", "state");
    if (known !== undefined) return { lineage: known.id, isNew: false };
    const id = randomUUID();
    draft.put("lineage", "state", { id });
    return { lineage: id, isNew: true };
  });
}

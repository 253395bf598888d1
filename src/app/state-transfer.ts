/** `p2prc state export|import`: the part of the composition root that moves a state. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { GatewayConfig } from "../config/config.js";
import { socketPathOf } from "../config/socket-path.js";
import { takeBaseFolder } from "../gateway/base-owner.js";
import { openGateway } from "../gateway/gateway.js";
import type { Logger } from "../observability/logger.js";
import type { StateStore } from "../store/contract.js";
import { writeStateHome } from "../store/state-home.js";
import { transferDisk, withStateFile } from "../store/transfer/state-file.js";
import { exportState, importState, type Transferred } from "../store/transfer/transfer.js";
import { TransferError, unread } from "../store/transfer/transfer-error.js";
import type { DiskTime } from "../system/disk-time.js";
import { FileError, isSilence, unwritable } from "../system/errors.js";
import { absent, markOf } from "../system/file-marks.js";
import { replaceFile } from "../system/replace-file.js";
import { openHome, openShared, type OpenStore, ownFolder, requireHome, wantedHome } from "./state.js";

/**
 * Writes a state into a new file. Nothing is made only to be exported. One in Redis may have gateways, that of this base
 * folder too: the file has it as of one commit.
 *
 * @throws {BaseFolderTakenError}, {TransferError} and what opens it; what `signal` has
 */
export async function exportStateOf(
  config: GatewayConfig,
  logger: Logger,
  path: string,
  signal: AbortSignal,
): Promise<Transferred> {
  const fileDisk = transferDisk();
  const disk = transferDisk();
  await requireNew(path, fileDisk);
  const write = async (store: StateStore): Promise<Transferred> =>
    await exportState(store, path, { disk: fileDisk, signal });
  return await namingDisk(config, async () => {
    const known = await disk.limit(() => requireHome(config));
    if (config.redis !== undefined) {
      const store = await openShared(config.redis, config, logger, false);
      try {
        return await write(store);
      } finally {
        await store.close();
      }
    }
    if (known === undefined) throw new TransferError(`there is no state in ${config.baseDir}`);
    return await withStore(config, logger, disk, async ({ store }) => await write(store));
  });
}

export interface StateImport {
  readonly path: string;
  /** Whether a state that is not empty is given up. */
  readonly replaces: boolean;
  /** Ends the import between two commits: repeated, it goes on. */
  readonly signal: AbortSignal;
}

/**
 * Brings a file into the state that the configuration names, which is the folder's from then on. Nothing is opened before
 * the file was found whole.
 *
 * @throws {BaseFolderTakenError}, {TransferError} and what opens it; what `signal` has
 */
export async function importStateInto(
  config: GatewayConfig,
  logger: Logger,
  { path, replaces, signal }: StateImport,
): Promise<Transferred> {
  const disk = transferDisk();
  // While the import can still be told to be unfinished: nobody may start on a folder that does not know of its state.
  const onWhole = async (): Promise<void> =>
    await disk.limit(() => writeStateHome(ownFolder(config), wantedHome(config)));
  const use = async (file: Parameters<typeof importState>[1]): Promise<Transferred> =>
    await namingDisk(config, () =>
      withStore(
        config,
        logger,
        disk,
        async ({ store }) => await importState(store, file, { replaces, disk, onWhole, signal }),
      ),
    );
  return await withStateFile(path, use, { signal });
}

/** Whether a disk that does not answer is behind a failure: it may hold a thread of this process. */
export const isOfSilentDisk = (error: unknown): boolean =>
  error instanceof Error && (isSilence(error) || isOfSilentDisk(error.cause));

/** Names the disk that a base folder is on, where it does not answer. Of the file that is moved others tell. */
async function namingDisk<T>({ baseDir }: GatewayConfig, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FileError && isSilence(error))) throw error;
    const words = `the disk of ${baseDir} does not answer (${error.why}): repeat it once it does`;
    throw new TransferError(words, { cause: error });
  }
}

async function requireNew(path: string, disk: DiskTime): Promise<void> {
  let isAbsent = false;
  try {
    isAbsent = (await disk.limit(() => markOf(path))) === absent;
  } catch (error) {
    if (isSilence(error)) throw unread(error, path);
    // A folder, a pipe, a link that leads nowhere.
  }
  if (!isAbsent) throw new TransferError(`${path} is there already`);
}

/**
 * Comes first: the folder's lock, and what is read of an embedded state in place, hold the whole process when their disk
 * does not answer, and nothing inside can limit that.
 */
async function tryToWrite(folder: string): Promise<void> {
  const path = join(folder, "disk-trial");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await replaceFile(path, "", { mode: 0o600 });
    await rm(path);
  } catch (error) {
    const { why } = unwritable(path, error);
    throw new TransferError(`${folder} cannot be written: ${why}`, { cause: error });
  }
}

/** @param disk with the base folder, and an embedded state */
async function withStore<T>(
  config: GatewayConfig,
  logger: Logger,
  disk: DiskTime,
  use: (opened: OpenStore) => Promise<T>,
): Promise<T> {
  await disk.limit(() => tryToWrite(ownFolder(config)));
  const socketPath = socketPathOf(config.baseDir);
  // Whoever serves the socket owns the folder; there is nothing to call behind this one.
  const owner = await takeBaseFolder(socketPath, () =>
    openGateway({ socketPath, routes: () => undefined, corsOrigins: [], logger }),
  );
  try {
    const opened = await disk.limit(() => openHome(config, logger));
    try {
      return await use(opened);
    } finally {
      const closing = opened.store.close();
      await disk
        .limit(() => closing)
        .catch((error: unknown) => {
          // What was done is on the disk already, or told to be not.
          if (!isSilence(error)) throw error;
        });
    }
  } finally {
    // To take the socket away would hold this process before it has said why it ends; the next owner does it.
    if (!disk.isHung) await owner.close(0);
  }
}

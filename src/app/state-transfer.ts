/** `p2prc state export|import`: the part of the composition root that moves a state. */
import type { GatewayConfig } from "../config/config.js";
import { socketPathOf } from "../config/socket-path.js";
import { takeBaseFolder } from "../gateway/base-owner.js";
import { openGateway } from "../gateway/gateway.js";
import type { Logger } from "../observability/logger.js";
import type { StateStore } from "../store/contract.js";
import { writeStateHome } from "../store/state-home.js";
import { withStateFile } from "../store/transfer/state-file.js";
import { exportState, importState, type Transferred } from "../store/transfer/transfer.js";
import { TransferError } from "../store/transfer/transfer-error.js";
import { absent, markOf } from "../system/file-marks.js";
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
  await requireNew(path);
  const known = await requireHome(config);
  const write = async (store: StateStore): Promise<Transferred> => await exportState(store, path, { signal });
  if (config.redis !== undefined) {
    const store = await openShared(config.redis, config, logger, false);
    try {
      return await write(store);
    } finally {
      await store.close();
    }
  }
  if (known === undefined) throw new TransferError(`there is no state in ${config.baseDir}`);
  return await withStore(config, logger, async ({ store }) => await write(store));
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
  // While the import can still be told to be unfinished: nobody may start on a folder that does not know of its state.
  const onWhole = async (): Promise<void> => await writeStateHome(ownFolder(config), wantedHome(config));
  const use = async (file: Parameters<typeof importState>[1]): Promise<Transferred> =>
    await withStore(
      config,
      logger,
      async ({ store }) => await importState(store, file, { replaces, onWhole, signal }),
    );
  return await withStateFile(path, use, { signal });
}

async function requireNew(path: string): Promise<void> {
  let isAbsent = false;
  try {
    isAbsent = (await markOf(path)) === absent;
  } catch {
    // A folder, a pipe, a link that leads nowhere.
  }
  if (!isAbsent) throw new TransferError(`${path} is there already`);
}

async function withStore<T>(
  config: GatewayConfig,
  logger: Logger,
  use: (opened: OpenStore) => Promise<T>,
): Promise<T> {
  const socketPath = socketPathOf(config.baseDir);
  // Whoever serves the socket owns the folder; there is nothing to call behind this one.
  const owner = await takeBaseFolder(socketPath, () =>
    openGateway({ socketPath, routes: () => undefined, corsOrigins: [], logger }),
  );
  try {
    const opened = await openHome(config, logger);
    try {
      return await use(opened);
    } finally {
      await opened.store.close();
    }
  } finally {
    await owner.close(0);
  }
}

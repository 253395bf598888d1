/** `p2prc state export|import`: the part of the composition root that moves a state while no gateway owns the folder. */
import { existsSync } from "node:fs";
import type { GatewayConfig } from "../config/config.js";
import { socketPathOf } from "../config/socket-path.js";
import { takeBaseFolder } from "../gateway/base-owner.js";
import { openGateway } from "../gateway/gateway.js";
import type { Logger } from "../observability/logger.js";
import { openHome, openStateStore, type OpenStore, ownFolder, wantedHome } from "./state.js";
import { writeStateHome } from "../store/state-home.js";
import { exportState, importState, type Transferred } from "../store/transfer/transfer.js";
import { TransferError } from "../store/transfer/transfer-error.js";

/** Writes the state of a base folder into a file. @throws {BaseFolderTakenError}, {TransferError} and what opens it */
export async function exportStateOf(
  config: GatewayConfig,
  logger: Logger,
  path: string,
): Promise<Transferred> {
  if (existsSync(path)) throw new TransferError(`${path} is there already`);
  return await withStore(config, logger, openStateStore, ({ store }) => exportState(store, path));
}

/**
 * Brings a file into the state that the configuration names, which is the folder's from then on.
 *
 * @throws {BaseFolderTakenError}, {TransferError} and what opens it
 */
export async function importStateInto(
  config: GatewayConfig,
  logger: Logger,
  path: string,
  replaces: boolean,
): Promise<Transferred> {
  return await withStore(config, logger, openHome, async ({ store }) => {
    const transferred = await importState(store, path, replaces);
    await writeStateHome(ownFolder(config), wantedHome(config));
    return transferred;
  });
}

async function withStore<T>(
  config: GatewayConfig,
  logger: Logger,
  open: (config: GatewayConfig, logger: Logger) => Promise<OpenStore>,
  use: (opened: OpenStore) => Promise<T>,
): Promise<T> {
  const socketPath = socketPathOf(config.baseDir);
  // Whoever serves the socket owns the folder; there is nothing to call behind this one.
  const owner = await takeBaseFolder(socketPath, () =>
    openGateway({ socketPath, routes: () => undefined, corsOrigins: [], logger }),
  );
  try {
    const opened = await open(config, logger);
    try {
      return await use(opened);
    } finally {
      await opened.store.close();
    }
  } finally {
    await owner.close(0);
  }
}

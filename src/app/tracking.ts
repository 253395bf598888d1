/** What stands on the state, containers, groups and plugins: the part of the composition root for `containers` and `plugins`. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { v7 as uuidv7 } from "uuid";
import type { GatewayConfig } from "../config/config.js";
import type { ContainerService } from "../containers/contract.js";
import { type GatewayKey, openGatewayKey } from "../containers/keys/gateway-key.js";
import { openContainerService } from "../containers/service.js";
import { hasKnownEnd } from "../containers/sharing/known-end.js";
import type { Logger } from "../observability/logger.js";
import type { IpTableService } from "../p2p/contract.js";
import { openPeerApi } from "../peer-api/peer-api.js";
import { lookAtPort } from "../peer-api/port-look.js";
import type { PluginService } from "../plugins/contract.js";
import { openPluginService } from "../plugins/service.js";
import { ownKeyOf } from "./own-key.js";
import { StandingLog } from "./standing-log.js";
import { type OpenStore, openStateStore, ownFolder, type StoreStats } from "./state.js";
import { RecordView } from "../store/view.js";
import { systemClock } from "../system/clock.js";

export interface StateStanding {
  readonly backend: "embedded" | "redis";
  /** Since when nothing was heard of the store, wall clock in milliseconds since 1970; undefined while it answers. */
  readonly behindSinceMs: number | undefined;
  /** Absent for the embedded store. */
  readonly counters: StoreStats | undefined;
}

export interface OpenState {
  readonly containers: ContainerService;
  readonly plugins: PluginService;
  readonly standing: () => StateStanding;
  /** Tells how it is, and each time that changes: whether the store does not answer. */
  readonly onStanding: (tell: (isBehind: boolean) => void) => void;
  close(): Promise<void>;
}

/** Opens the state of containers and groups. @throws {ConfigError}, {StoreError}, {FileError} */
export async function openState(
  config: GatewayConfig,
  logger: Logger,
  ipTable: IpTableService,
  draining: AbortSignal,
): Promise<OpenState> {
  const opened = await openStateStore(config, logger);
  const { store, stats } = opened;
  const ownKey = ownKeyOf(openKeyOf(config), logger);
  // Made at the first start, beside everything else. Nobody may be waiting when that fails.
  const made = ownKey().catch(() => undefined);
  let view: RecordView | undefined;
  let containers: ContainerService | undefined;
  const close = async (): Promise<void> => {
    await view?.close();
    await store.close();
    await made;
  };
  try {
    view = await RecordView.open(store, logger, systemClock, hasKnownEnd);
    containers = await openContainerService({
      ...partsOf(opened, config),
      view,
      clock: systemClock,
      logger,
      directory: ipTable,
      openPeerApi,
      lookAtPort,
      random: Math.random,
      livenessIntervalMs: config.lookIntervalSeconds * 1_000,
      newId: () => uuidv7(),
      ownPublicKey: async () => (await ownKey()).publicKeyLine,
      trackingFiles: trackingFilesOf(config),
      acceptsLoss: config.acceptLoss,
      draining,
    });
    const plugins = await openPlugins(config, logger, containers, {
      privateKeyPath: async () => (await ownKey()).privateKeyPath,
      draining,
    });
    const shown = view;
    const counters = logCounters(view, stats, logger);
    return {
      containers,
      plugins,
      standing: standingOf(opened, shown),
      onStanding: (tell) => void shown.onStanding(tell),
      async close() {
        await close();
        counters.close();
      },
    };
  } catch (error) {
    await containers?.close();
    await close();
    throw error;
  }
}

const openKeyOf = (config: GatewayConfig) => async (): Promise<GatewayKey> => {
  const { privateKeyFile: privateKeyPath, publicKeyFile: publicKeyPath } = config.original;
  return await openGatewayKey({ privateKeyPath, publicKeyPath, fallbackFolder: ownFolder(config) });
};

const trackingFilesOf = ({ baseDir, original }: GatewayConfig) => ({
  containersPath: original.trackContainersPath,
  groups: original.groupTrackContainersNames ?? { path: original.groupTrackContainersPath },
  ledgerPath: join(baseDir, ".p2prc", "tracking.side.json"),
});

const standingOf =
  ({ home, stats }: OpenStore, view: RecordView) =>
  (): StateStanding => ({
    backend: home.backend,
    behindSinceMs: view.behindSinceMs,
    counters: stats(),
  });

/** Also when the store is back: an outage shows in the counters. */
function logCounters(view: RecordView, stats: OpenStore["stats"], logger: Logger): StandingLog {
  const log = new StandingLog(stats, logger, systemClock);
  view.onStanding((isBehind) => {
    if (!isBehind) log.tell();
  });
  return log;
}

/** Beside the sources and beside what is built alike. */
const callbackFolder = fileURLToPath(new URL("../../ansible/", import.meta.url));

async function openPlugins(
  config: GatewayConfig,
  logger: Logger,
  containers: ContainerService,
  rest: Pick<Parameters<typeof openPluginService>[0], "privateKeyPath" | "draining">,
): Promise<PluginService> {
  return await openPluginService({
    ...rest,
    containers,
    clock: systemClock,
    logger,
    pluginPath: config.original.pluginPath,
    stateFolder: join(config.baseDir, ".p2prc"),
    callbackFolder,
    searchPath: config.searchPath,
    home: config.homeDir,
    newRunId: () => uuidv7(),
  });
}

function partsOf({ store, home, gatewayId, isOwnerGone }: OpenStore, config: GatewayConfig) {
  const sharing = { journalPath: join(ownFolder(config), "seen.journal") };
  return { store, gatewayId, isOwnerGone, ...(home.backend === "redis" ? { sharing } : {}) };
}

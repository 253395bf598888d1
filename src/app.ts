import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { v7 as uuidv7 } from "uuid";
import type { GatewayConfig } from "./config/config.js";
import type { ContainerService } from "./containers/contract.js";
import { type GatewayKey, openGatewayKey } from "./containers/keys/gateway-key.js";
import { hasKnownEnd } from "./containers/sharing/known-end.js";
import { openContainerService } from "./containers/service.js";
import { publicIpText } from "./config/schemas.js";
import { socketPathOf } from "./config/socket-path.js";
import { takeBaseFolder } from "./gateway/base-owner.js";
import { openGateway } from "./gateway/gateway.js";
import type { Logger } from "./observability/logger.js";
import { createAddressPolicy } from "./p2p/address-policy.js";
import { systemClock } from "./system/clock.js";
import type { IpTableService } from "./p2p/contract.js";
import { IpTable } from "./p2p/table/ip-table.js";
import { OwnAddressSource } from "./p2p/own-address.js";
import { createIpTableService } from "./p2p/service.js";
import { defaultServerPort } from "./peer-api/address.js";
import type { PeerRow } from "./peer-api/contract.js";
import { bareRow } from "./peer-api/ip-table-rows.js";
import { openPeerApi } from "./peer-api/peer-api.js";
import { lookAtPort } from "./peer-api/port-look.js";
import { fetchPublicAddress } from "./peer-api/public-address.js";
import type { PluginService } from "./plugins/contract.js";
import { openPluginService } from "./plugins/service.js";
import { resolveName } from "./peer-api/resolve-name.js";
import { buildTableForm } from "./peer-api/table-form.js";
import { registerClientService } from "./rpc/client-service.js";
import { tellStateAge } from "./rpc/state-age.js";
import { RecordView } from "./store/view.js";
import { type OpenStore, openStateStore, ownFolder, type StoreStats } from "./state.js";
import { mapErrors } from "./rpc/error-mapping.js";
import { validateRequests } from "./rpc/validation.js";

export { BaseFolderTakenError, isGatewayAlive } from "./gateway/base-owner.js";

export interface AppOptions {
  readonly config: GatewayConfig;
  readonly logger: Logger;
  /** Whether the TCP port is opened beside the socket of the base folder. */
  readonly listen: boolean;
}

export interface App {
  /** `http://host:port`; absent without `listen`. */
  readonly url: string | undefined;
  readonly socketPath: string;
  /** How the store of the state is, for metrics. */
  state(): StateStanding;
  /** Drains, and resolves when every socket is gone. */
  close(): Promise<void>;
}

export interface StateStanding {
  readonly backend: "embedded" | "redis";
  /** Since when the store does not answer, wall clock in milliseconds since 1970; undefined while it does. */
  readonly behindSinceMs: number | undefined;
  /** Absent for the embedded store. */
  readonly counters: StoreStats | undefined;
}

/** How long a P2PRC server beside us may take to answer on loopback, in milliseconds. */
const ownServerTimeoutMs = 500;

/**
 * Opens the whole gateway on one base folder: the composition root.
 *
 * @throws {BaseFolderTakenError} another gateway owns the folder
 * @throws the error of listen, such as EADDRINUSE
 */
export async function openApp({ config, logger, listen }: AppOptions): Promise<App> {
  const draining = new AbortController();
  const ipTable = openIpTable(config, logger, draining.signal);
  const socketPath = socketPathOf(config.baseDir);
  if (listen && config.isOpenBind) {
    logger.warn(
      { listen: config.listen },
      "INSECURE BIND: whoever reaches this port is the operator of this gateway: no TLS, no authentication",
    );
  }
  // The socket comes first: whoever serves it owns the folder, and with it the state. Early calls wait.
  const opening = deferred<OpenState>();
  let state: OpenState | undefined;
  const gateway = await takeBaseFolder(socketPath, () =>
    openGateway({
      ...(listen ? { listen: config.listen } : {}),
      socketPath,
      routes: (router, door) =>
        registerClientService(router, {
          ipTable,
          containers: partOf(opening.promise, ({ containers }) => containers),
          plugins: partOf(opening.promise, ({ plugins }) => plugins),
          caller: door === "socket" ? "operator" : "remote",
        }),
      interceptors: [
        mapErrors(logger),
        tellStateAge(() => state?.standing().behindSinceMs, systemClock),
        validateRequests(),
      ],
      corsOrigins: config.corsOrigins,
      logger,
    }),
  );
  gateway.setServing(false);
  try {
    state = await openState(config, logger, ipTable, draining.signal);
    state.onStanding((isBehind) => gateway.setServing(!isBehind && !draining.signal.aborted));
    opening.resolve(state);
  } catch (error) {
    opening.reject(error);
    await gateway.close(0);
    throw error;
  }
  const opened = state;
  return {
    url: gateway.url,
    socketPath,
    state: opened.standing,
    async close() {
      draining.abort();
      gateway.setServing(false);
      // Before the socket goes, and with it the ownership of the folder: outcomes are still written.
      await opened.plugins.close();
      await opened.containers.close();
      await gateway.close();
      // A caller who was cut off leaves a crawl behind that has not written yet.
      await ipTable.close();
      await opened.close();
    },
  };
}

interface OpenState {
  readonly containers: ContainerService;
  readonly plugins: PluginService;
  readonly standing: () => StateStanding;
  /** Tells how it is, and each time that changes: whether the store does not answer. */
  readonly onStanding: (tell: (isBehind: boolean) => void) => void;
  close(): Promise<void>;
}

/** Opens the state of containers and groups. @throws {ConfigError}, {StoreError}, {FileError} */
async function openState(
  config: GatewayConfig,
  logger: Logger,
  ipTable: IpTableService,
  draining: AbortSignal,
): Promise<OpenState> {
  const ownKey = ownKeyOf(config, logger);
  const opened = await openStateStore(config, logger);
  const { store, home, stats } = opened;
  let view: RecordView | undefined;
  try {
    view = await RecordView.open(store, logger, systemClock, hasKnownEnd);
    const containers = await openContainerService({
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
      trackingFiles: {
        containersPath: config.original.trackContainersPath,
        groups: config.original.groupTrackContainersNames ?? {
          path: config.original.groupTrackContainersPath,
        },
        ledgerPath: join(config.baseDir, ".p2prc", "tracking.side.json"),
      },
      acceptsLoss: config.acceptLoss,
      draining,
    });
    const plugins = await openPlugins(config, logger, containers, {
      privateKeyPath: async () => (await ownKey()).privateKeyPath,
      draining,
    });
    const shown = view;
    return {
      containers,
      plugins,
      standing: () => ({
        backend: home.backend,
        behindSinceMs: shown.behindSinceMs,
        counters: stats(),
      }),
      onStanding: (tell) => shown.onStanding(tell),
      async close() {
        await shown.close();
        await store.close();
      },
    };
  } catch (error) {
    await view?.close();
    await store.close();
    throw error;
  }
}

/** Beside the sources and beside what is built alike. */
const callbackFolder = fileURLToPath(new URL("../ansible/", import.meta.url));

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

/** The gateway's own SSH key is made at the first start. A key that cannot be used fails creations, and nothing else. */
function ownKeyOf({ baseDir, original }: GatewayConfig, logger: Logger): () => Promise<GatewayKey> {
  const { privateKeyFile: privateKeyPath, publicKeyFile: publicKeyPath } = original;
  const open = async (): Promise<GatewayKey> => {
    const key = await openGatewayKey({
      privateKeyPath,
      publicKeyPath,
      fallbackFolder: join(baseDir, ".p2prc"),
    });
    if (key.passedOver !== undefined)
      logger.warn({ why: key.passedOver }, "the configured SSH key is passed over for one of our own");
    return key;
  };
  let opening: Promise<GatewayKey> | undefined;
  const ownKey = async (): Promise<GatewayKey> => {
    try {
      return await (opening ??= open());
    } catch (error) {
      // Somebody may mend the file meanwhile.
      opening = undefined;
      logger.error({ err: error }, "the gateway's own SSH key cannot be used");
      throw error;
    }
  };
  ownKey().catch(() => undefined);
  return ownKey;
}

/** A part of what is yet to be opened. Nobody may be waiting when that fails. */
function partOf<T, Part>(whole: Promise<T>, pick: (whole: T) => Part): Promise<Part> {
  const part = whole.then(pick);
  part.catch(() => undefined);
  return part;
}

function deferred<T>(): {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((taken, refused) => {
    resolve = taken;
    reject = refused;
  });
  // Nobody may be waiting.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function openIpTable(config: GatewayConfig, logger: Logger, draining: AbortSignal): IpTableService {
  const { original } = config;
  const sidePath = join(config.baseDir, ".p2prc", "ip_table.side.json");
  const policy = createAddressPolicy(config.allowCidrs);
  return createIpTableService({
    table: new IpTable({ tablePath: original.ipTablePath, sidePath }, logger),
    policy,
    clock: systemClock,
    openPeerApi,
    buildTableForm,
    resolveName,
    ownAddress: new OwnAddressSource(publicIpText(config.publicIp), fetchPublicAddress, systemClock, policy),
    own: { serverPort: original.serverPort ?? defaultServerPort, machineName: original.machineName },
    findOwnRow: (publicIpAddress) => findOwnRow(config, publicIpAddress),
    newCrawlId: () => uuidv7(),
    logger,
    draining,
  });
}

/**
 * Finds the row that tells others of us: only when a P2PRC server really runs beside us. Otherwise every node would
 * ping, in sequence and without a time-out, an address that never answers.
 */
async function findOwnRow(
  { original }: GatewayConfig,
  publicIpAddress: string,
): Promise<PeerRow | undefined> {
  if (!original.present || publicIpAddress === "") return undefined;
  const port = original.serverPort ?? defaultServerPort;
  const api = openPeerApi();
  try {
    await api.specs({ host: "127.0.0.1", port }, { timeoutMs: ownServerTimeoutMs });
  } catch {
    return undefined;
  } finally {
    api.close();
  }
  const row = bareRow({ host: publicIpAddress, port });
  return { ...row, machineName: original.machineName, escapeImplementation: "None" };
}

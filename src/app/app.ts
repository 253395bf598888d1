/** The composition root: opens the whole gateway on one base folder. Only this room may import every other one. */
import type { GatewayConfig } from "../config/config.js";
import { socketPathOf } from "../config/socket-path.js";
import { takeBaseFolder } from "../gateway/base-owner.js";
import { openGateway } from "../gateway/gateway.js";
import type { Logger } from "../observability/logger.js";
import { registerClientService } from "../rpc/client-service.js";
import { mapErrors } from "../rpc/error-mapping.js";
import { tellStateAge } from "../rpc/state-age.js";
import { validateRequests } from "../rpc/validation.js";
import { systemClock } from "../system/clock.js";
import { openIpTable } from "./network.js";
import { openState, type OpenState, type StateStanding } from "./tracking.js";

export { BaseFolderTakenError, isGatewayAlive } from "../gateway/base-owner.js";

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

/**
 * Opens the gateway; the base folder is its own until it is closed.
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
        tellStateAge(() => state?.standing().behindSinceMs, systemClock),
        mapErrors(logger),
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
    draining.abort();
    opening.reject(error);
    await gateway.close(0);
    await ipTable.close();
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

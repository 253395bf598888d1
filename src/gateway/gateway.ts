import { setMaxListeners } from "node:events";
import { type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { Health } from "../gen/grpc/health/v1/health_pb.js";
import type { Logger } from "../observability/logger.js";
import { createCallHandler } from "./call-handler.js";
import { type Door, type DoorName, openDoor, type Place } from "./door.js";
import { createRefusals, shuttingDown } from "./draining.js";
import { registerHealth, ServingState } from "./health.js";
import { defaultLimits, type GatewayLimits } from "./limits.js";
import { createOriginPolicy } from "./origin-policy.js";
import { reflectionServices, registerReflection } from "./reflection.js";

/** How long streams may take to end in order. */
const DEFAULT_GRACE_MS = 10_000;

export interface GatewayOptions {
  /** TCP address; port 0 takes a free one. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined;
  /**
   * Unix socket of mode 0600, the operator's own door. What has the path is replaced: the caller has made sure that
   * nobody serves there.
   */
  readonly socketPath?: string | undefined;
  /** Registers the services for callers that come through this door. Health and reflection are added. */
  readonly routes: (router: ConnectRouter, door: DoorName) => void;
  /**
   * Around every call of these services. While the gateway drains, calls reach them as well and then fail with a bare
   * UNAVAILABLE, which an interceptor may give details. @default none
   */
  readonly interceptors?: readonly Interceptor[];
  /** Origins of web pages that may call, such as `https://app.example.org`. Empty: no CORS. */
  readonly corsOrigins: readonly string[];
  /** @default see `limits.ts` */
  readonly limits?: Partial<GatewayLimits>;
  readonly logger: Logger;
}

export interface Gateway {
  /** `http://host:port`; absent without `listen`. */
  readonly url: string | undefined;
  /** Aborted when draining begins: long streams end themselves in order. Calls keep the signal of their caller. */
  readonly shutdownSignal: AbortSignal;
  /** What health answers. SERVING from the start; NOT_SERVING for good once `close` is called. */
  setServing(isServing: boolean): void;
  /**
   * Drains and resolves when every socket is gone: NOT_SERVING, no new connections, GOAWAY, streams end, and after
   * `graceMs` what is left is cut. Calling again returns the same end; a shorter grace then counts.
   * @default 10 s
   */
  close(graceMs?: number): Promise<void>;
}

/**
 * Opens the gateway's doors: one TCP port and one Unix socket, each for gRPC, gRPC-Web and Connect over HTTP/1.1 and
 * HTTP/2, told apart by their first bytes.
 *
 * @throws the error of listen, such as EADDRINUSE; no door is open then
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { listen, socketPath, logger } = options;
  const state = new ServingState();
  const shutdown = new AbortController();
  // One listener for each call under way is no leak, which Node would suspect from the eleventh on.
  setMaxListeners(0, shutdown.signal);
  const limits = { ...defaultLimits, ...options.limits };
  const originPolicy = createOriginPolicy(options.corsOrigins, listen?.host);

  const open = async (name: DoorName, place: Place) => {
    const calls = createHandlers(options, name, limits, state, shutdown.signal);
    const shutdownSignal = shutdown.signal;
    const handler = createCallHandler({ ...calls, originPolicy, shutdownSignal, limits, logger });
    const door = await openDoor({ name, place, handler, limits, logger });
    doors.push(door);
    logger.info({ door: name, at: door.url ?? socketPath }, "listening");
  };
  const doors: Door[] = [];
  const closeAll = createClosing(doors, state, shutdown, logger);
  try {
    if (listen) await open("tcp", listen);
    if (socketPath !== undefined) await open("socket", { path: socketPath });
  } catch (error) {
    await closeAll(0);
    throw error;
  }
  return {
    url: doors.find((door) => door.url !== undefined)?.url,
    shutdownSignal: shutdown.signal,
    setServing: (isServing) => state.set(isServing),
    close: closeAll,
  };
}

function createHandlers(
  options: GatewayOptions,
  door: DoorName,
  limits: GatewayLimits,
  state: ServingState,
  shutdownSignal: AbortSignal,
): Record<"handlers" | "refusals", UniversalHandler[]> {
  const common = {
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: limits.maxRequestMessageBytes,
    writeMaxBytes: limits.maxResponseMessageBytes,
    // No maxTimeoutMs: a longer deadline would be refused, not shortened.
  };
  // Calls under way may finish while the gateway drains: their signal tells of the caller, not of the shutdown.
  const interceptors = [...(options.interceptors ?? [])];
  const served = createConnectRouter({ ...common, interceptors });
  options.routes(served, door);
  const services = [
    ...new Set(served.handlers.map((handler) => handler.service)),
    Health,
    ...reflectionServices,
  ];
  const own = createConnectRouter({ ...common, shutdownSignal });
  registerHealth(own, state, new Set(services.map((service) => service.typeName)));
  registerReflection(own, services);
  const handlers = [...served.handlers, ...own.handlers];
  return { handlers, refusals: createRefusals(services, { ...common, interceptors }) };
}

function createClosing(
  doors: readonly Door[],
  state: ServingState,
  shutdown: AbortController,
  logger: Logger,
): (graceMs?: number) => Promise<void> {
  let end: Promise<unknown> | undefined;

  const drain = () => {
    logger.info({}, "draining");
    // In this order: watchers of health hear NOT_SERVING before their stream is told to end.
    state.end();
    for (const door of doors) door.drain();
    shutdown.abort(shuttingDown());
    return Promise.all(doors.map((door) => door.closed));
  };
  return async (graceMs = DEFAULT_GRACE_MS) => {
    end ??= drain();
    const timer = setTimeout(() => {
      const cutCount = doors.reduce((count, door) => count + door.cut(), 0);
      if (cutCount > 0) logger.warn({ cutCount, graceMs }, "connections cut after the grace");
    }, graceMs);
    await end;
    clearTimeout(timer);
  };
}

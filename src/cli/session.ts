/** Which gateway to talk to. Always over the wire: what the command line can do, every other caller can. */
import { Agent } from "node:http";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type App, BaseFolderTakenError, openApp } from "../app/app.js";
import { type GatewayConfig, loadConfig } from "../config/config.js";
import { allSettings, settings } from "../config/settings.js";
import { socketPathOf } from "../config/socket-path.js";
import { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import { type Logger, silentLogger } from "../observability/logger.js";
import { UsageError } from "./errors.js";
import { openLogger } from "../observability/open-logger.js";
import { type Link, SteadyLink } from "./steady-link.js";
import type { Surroundings } from "./surroundings.js";

export type GatewayClient = Client<typeof ClientService>;

export interface Session {
  readonly client: GatewayClient;
  /** Where the gateway is: the path of its socket, or its URL. */
  readonly target: string;
  /** Ends the connection, and the gateway if this session opened it. */
  close(): Promise<void>;
}

export interface SessionOptions {
  /** URL of a gateway. @default the one of the base folder */
  readonly gateway?: string | undefined;
  /** Configuration flags as parsed. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/**
 * Talks to the gateway that serves on the base folder, or opens one in this process on the same socket. Should the
 * one that serves be about to close, as one that another command opened for itself is, the next is found or opened.
 *
 * @throws {UsageError} `--gateway` is no URL, or comes with flags that configure another gateway
 * @throws {ConfigError} the configuration is not accepted
 */
export async function openSession(options: SessionOptions, surroundings: Surroundings): Promise<Session> {
  const { gateway, flags } = options;
  if (gateway !== undefined) {
    requireNoConfiguration(flags);
    return connectToUrl(readGatewayUrl(gateway));
  }
  const { env, cwd, output, signal } = surroundings;
  const config = loadConfig({ flags, env, cwd });
  const logger = flags["logLevel"] === undefined ? silentLogger : openLogger(config.logLevel, output.stderr);
  let hasWarned = false;
  const link = new SteadyLink(await linkToBaseFolder(config, logger), {
    relink: () => linkToBaseFolder(config, logger),
    onReached: ({ isOwn }) => {
      if (!isOwn && !hasWarned) warnOfIdleFlags(flags, surroundings);
      hasWarned = true;
    },
  });
  if (signal.aborted) await link.close();
  signal.throwIfAborted();
  return {
    client: createClient(ClientService, link),
    target: socketPathOf(config.baseDir),
    close: () => link.close(),
  };
}

/** Runs something with a session that is closed at the end, whatever the end. */
export async function withSession<T>(
  options: SessionOptions,
  surroundings: Surroundings,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(options, surroundings);
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

/** gRPC over HTTP/2 to a gateway's TCP port. */
export function connectToUrl(baseUrl: string): Session {
  const sessionManager = new Http2SessionManager(baseUrl);
  return {
    client: createClient(ClientService, createGrpcTransport({ baseUrl, sessionManager })),
    target: baseUrl,
    close: () => {
      sessionManager.abort();
      return Promise.resolve();
    },
  };
}

/** The Connect protocol over the socket of a base folder, which is the operator's own door. */
async function linkToBaseFolder(config: GatewayConfig, logger: Logger): Promise<Link> {
  const app = await openInProcess(config, logger);
  const socketPath = app?.socketPath ?? socketPathOf(config.baseDir);
  const agent = new Agent({ keepAlive: true });
  const transport = createConnectTransport({
    baseUrl: "http://localhost",
    httpVersion: "1.1",
    nodeOptions: { socketPath, agent },
  });
  return {
    transport,
    target: socketPath,
    isOwn: app !== undefined,
    close: async () => {
      agent.destroy();
      await app?.close();
    },
  };
}

/** @returns undefined if another process serves on the base folder */
async function openInProcess(config: GatewayConfig, logger: Logger): Promise<App | undefined> {
  try {
    return await openApp({ config, logger, listen: false });
  } catch (error) {
    if (error instanceof BaseFolderTakenError) return undefined;
    throw error;
  }
}

function readGatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new UsageError(`--gateway "${text}": not a URL such as http://127.0.0.1:8089`);
  }
  return url.href;
}

function requireNoConfiguration(flags: SessionOptions["flags"]): void {
  const [given] = flagsGiven(flags);
  if (given === settings.base.flag) {
    throw new UsageError(
      `${given} names the gateway of a folder, and --gateway another one: give one of them`,
    );
  }
  if (given !== undefined) {
    throw new UsageError(`${given} configures a gateway, and --gateway names one that runs already`);
  }
}

function warnOfIdleFlags(flags: SessionOptions["flags"], { output }: Surroundings): void {
  const idle = flagsGiven(flags).filter((flag) => flag !== "--base" && flag !== "--config");
  if (idle.length > 0) {
    output.stderr.write(
      `p2prc: the gateway that runs on this base folder answers; ${idle.join(", ")} changes nothing there\n`,
    );
  }
}

const flagsGiven = (flags: SessionOptions["flags"]): string[] =>
  allSettings.filter(({ key }) => flags[key] !== undefined).map(({ flag }) => flag);

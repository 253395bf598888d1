import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, openApp } from "../../src/app/app.js";
import { loadConfig } from "../../src/config/config.js";
import type { Devnet, DevnetOptions } from "../../src/devnet/contract.js";
import { openDevnet } from "../../src/devnet/devnet.js";
import { type Logger, silentLogger } from "../../src/observability/logger.js";

export interface GatewayOnDevnet {
  readonly url: string;
  readonly socketPath: string;
  readonly baseDir: string;
  readonly devnet: Devnet;
  readonly app: App;
  close(): Promise<void>;
}

export interface GatewayOnDevnetOptions {
  readonly devnet?: Partial<DevnetOptions>;
  /** Flags of the gateway, as the command line names them. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Environment of the gateway. @default empty */
  readonly env?: Readonly<Record<string, string>>;
  /** Prepares the base folder before the gateway opens on it. */
  readonly prepare?: (baseDir: string, devnet: Devnet) => Promise<void>;
  readonly logger?: Logger;
}

/** Opens a real gateway beside a devnet, each on free ports, in a temporary base folder. */
export async function openGatewayOnDevnet(options: GatewayOnDevnetOptions = {}): Promise<GatewayOnDevnet> {
  const baseDir = await mkdtemp(join(tmpdir(), "p2prc-"));
  const devnet = await openDevnet({ nodes: 8, seed: 7, ...options.devnet });
  await options.prepare?.(baseDir, devnet);
  const flags = {
    listen: "127.0.0.1:0",
    base: baseDir,
    allowCidr: ["127.0.0.0/8"],
    publicIp: "off",
    // Looks would show containers as UNREACHABLE after a while, and commit: no test is to depend on how long it takes.
    lookInterval: "0",
    ...options.flags,
  };
  const config = loadConfig({ flags, env: options.env ?? {}, cwd: baseDir });
  const app = await openApp({ config, logger: options.logger ?? silentLogger, listen: true });
  return {
    url: app.url ?? "",
    socketPath: app.socketPath,
    baseDir,
    devnet,
    app,
    async close() {
      await app.close();
      await devnet.close();
      await rm(baseDir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

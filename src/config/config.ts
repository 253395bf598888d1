import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "./errors.js";
import { readJsonObject } from "./json-file.js";
import { isLoopback, type ListenAddress } from "./listen.js";
import { type OriginalConfig, readOriginalConfig } from "./original-config.js";
import { readPassword } from "./password-file.js";
import type { RedisUrl } from "./redis-url.js";
import type { LogLevel, PublicIpSource } from "./schemas.js";
import { type Setting, settings } from "./settings.js";
import {
  accept,
  acceptAll,
  find,
  fromEnvironment,
  fromFile,
  fromFlags,
  fromPresets,
  type Given,
  refused,
  type Source,
  take,
} from "./sources.js";

/** Everything that was configured, judged and frozen. */
export interface GatewayConfig {
  readonly listen: ListenAddress;
  /** Other machines can connect, without TLS and authentication: the caller says so loudly. */
  readonly isOpenBind: boolean;
  /** The base folder, as an absolute path. */
  readonly baseDir: string;
  /** Ranges that may be contacted although they are not public, in canonical spelling. */
  readonly allowCidrs: readonly string[];
  readonly publicIp: PublicIpSource;
  /** Origins of pages that may call the gateway, as browsers spell them. */
  readonly corsOrigins: readonly string[];
  /** Whether a damaged tracking file that was never imported may be given up. */
  readonly acceptLoss: boolean;
  /** Between two looks at a tracked container; 0 = none are made. */
  readonly lookIntervalSeconds: number;
  /** Where the state is shared with other gateways; absent = it is in the base folder. */
  readonly redis?: RedisUrl;
  /** Whether its password stands in a flag, which every user of the machine can read. */
  readonly isPasswordInFlag: boolean;
  /** Of the state in Redis. */
  readonly namespace: string;
  readonly logLevel: LogLevel;
  /** Where programs are looked for, as `$PATH` has it; empty = nowhere. */
  readonly searchPath: string;
  /** The user's home, for the programs we start; empty = not told. */
  readonly homeDir: string;
  /** The configuration file that was read; absent = there is none. */
  readonly configFile?: string;
  /** What the original client was configured to in the same base folder. */
  readonly original: OriginalConfig;
}

export interface ConfigSources {
  /** Parsed flags by their name in the configuration file (`allowCidr`); undefined = not given. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Working directory, as an absolute path. Relative paths of flags and environment begin here. */
  readonly cwd: string;
}

/**
 * Reads the configuration. Flags go before the environment, that before the configuration file, that before defaults.
 *
 * @throws {ConfigError} something is unknown or not accepted, or a file cannot be read
 */
export function loadConfig({ flags, env, cwd }: ConfigSources): GatewayConfig {
  const asked = [fromFlags(flags), fromEnvironment(env)];
  const home: Source = new Map([[settings.base.key, homeOf(env, cwd)]]);
  const file = readGatewayFile(asked, home, cwd);
  const sources = [...asked, file.source, home, fromPresets()];
  acceptAll(sources);
  const baseDir = baseDirOf(sources, cwd);
  const listen = readListen(sources);
  return Object.freeze({
    listen,
    isOpenBind: !isLoopback(listen.host),
    baseDir,
    allowCidrs: read(settings.allowCidrs, sources),
    publicIp: read(settings.publicIp, sources),
    corsOrigins: read(settings.corsOrigins, sources),
    acceptLoss: read(settings.acceptLoss, sources),
    lookIntervalSeconds: read(settings.lookIntervalSeconds, sources),
    ...readRedis(sources, cwd),
    namespace: read(settings.namespace, sources),
    logLevel: read(settings.logLevel, sources),
    searchPath: env["PATH"] ?? "",
    homeDir: env["HOME"] ?? "",
    ...(file.path === undefined ? {} : { configFile: file.path }),
    original: readOriginalConfig(baseDir),
  });
}

/** The base folder of somebody who names none. Source: shared protocol notes, "config.json": $P2PRC, then $PWD. */
function homeOf(env: ConfigSources["env"], cwd: string): Given {
  const home = env["P2PRC"] ?? "";
  return home === ""
    ? { value: cwd, origin: "the working directory" }
    : { value: home, origin: "environment variable P2PRC" };
}

interface GatewayFile {
  readonly source: Source;
  /** Absent = there is no file, and none was asked for. */
  readonly path?: string;
}

function readGatewayFile(asked: readonly Source[], home: Source, cwd: string): GatewayFile {
  const named = find(settings.config, asked);
  if (named === undefined) return readFileOfBase(baseDirOf([...asked, home], cwd));
  const path = resolve(cwd, accept(settings.config, named));
  const members = readJsonObject(path);
  if (members === undefined) throw refused(settings.config, named, "there is no such file");
  const source = new Map(fromFile(members, path));
  const base = source.get(settings.base.key);
  // A path in a file means the same wherever the gateway is started.
  if (typeof base?.value === "string" && base.value !== "") {
    source.set(settings.base.key, { ...base, value: resolve(dirname(path), base.value) });
  }
  return { source, path };
}

function readFileOfBase(baseDir: string): GatewayFile {
  const path = join(baseDir, ".p2prc", "gateway.json");
  const members = readJsonObject(path);
  if (members === undefined) return { source: new Map() };
  const source = fromFile(members, path);
  const base = source.get(settings.base.key);
  if (base !== undefined) {
    throw new ConfigError(
      `${base.origin}: the file was found in its base folder and cannot name another one`,
    );
  }
  return { source, path };
}

/** A folder that is not there is refused, not made: a slip of the pen would start an empty network. */
function baseDirOf(sources: readonly Source[], cwd: string): string {
  const given = take(settings.base, sources);
  const baseDir = resolve(cwd, accept(settings.base, given));
  if (!isFolder(baseDir)) throw refused(settings.base, given, "there is no such folder");
  return baseDir;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function readListen(sources: readonly Source[]): ListenAddress {
  const given = take(settings.listen, sources);
  const listen = accept(settings.listen, given);
  if (isLoopback(listen.host) || read(settings.insecureBind, sources)) return listen;
  throw refused(
    settings.listen,
    given,
    `other machines could call the gateway, without TLS and authentication; ${settings.insecureBind.flag} allows it`,
  );
}

function readRedis(
  sources: readonly Source[],
  cwd: string,
): Pick<GatewayConfig, "redis" | "isPasswordInFlag"> {
  const given = find(settings.redis, sources);
  const file = find(settings.redisPasswordFile, sources);
  if (given === undefined) {
    if (file === undefined) return { isPasswordInFlag: false };
    throw refused(settings.redisPasswordFile, file, `it comes without ${settings.redis.flag}`);
  }
  const redis = accept(settings.redis, given);
  const isPasswordInFlag = redis.hasPassword && given.origin === `flag ${settings.redis.flag}`;
  if (file === undefined) return { redis, isPasswordInFlag };
  if (redis.hasPassword) throw refused(settings.redisPasswordFile, file, "the URL has a password of its own");
  const path = resolve(cwd, accept(settings.redisPasswordFile, file));
  return { redis: redis.withPassword(readPassword(path)), isPasswordInFlag };
}

const read = <T>(setting: Setting<T>, sources: readonly Source[]): T =>
  accept(setting, take(setting, sources));

import { logLevels, schemas } from "./schemas.js";
import type { z } from "zod";

/** One thing that can be configured. */
export interface Setting<T> {
  /** Its name in the configuration file, and among the parsed flags. */
  readonly key: string;
  readonly flag: string;
  readonly env: string;
  /** How it is given: one text, several (the flag is repeated, commas in the environment), or a switch. */
  readonly shape: "text" | "list" | "switch";
  /** What stands behind the flag in the usage; empty for a switch. */
  readonly argument: string;
  /** What it does, for the usage. */
  readonly summary: string;
  /** Completes "accepted is ..." when a value is refused. */
  readonly accepts: string;
  /** Absent = computed, see `config.ts`. */
  readonly preset?: string | boolean | readonly string[];
  readonly schema: z.ZodType<T>;
}

/** The only place that says how a setting is called in the flags, the environment and the file. */
export const settings = {
  listen: {
    key: "listen",
    flag: "--listen",
    env: "P2PRC_GATEWAY_LISTEN",
    shape: "text",
    argument: "HOST:PORT",
    summary: "where to listen; beyond loopback only with --insecure-bind",
    accepts:
      "HOST:PORT with an IP address or DNS name, IPv6 in brackets, and a port 0..65535 (0 = any free one)",
    preset: "127.0.0.1:8089",
    schema: schemas.listen,
  },
  base: {
    key: "base",
    flag: "--base",
    env: "P2PRC_GATEWAY_BASE",
    shape: "text",
    argument: "DIR",
    summary: "the base folder; else $P2PRC, else the working directory",
    accepts: "the path of a folder that exists",
    schema: schemas.path,
  },
  allowCidrs: {
    key: "allowCidr",
    flag: "--allow-cidr",
    env: "P2PRC_GATEWAY_ALLOW_CIDR",
    shape: "list",
    argument: "CIDR",
    summary: "contact nodes in this range although it is not public (repeatable)",
    accepts: "ranges like 10.0.0.0/8 or fd00::/8, and single IP addresses",
    preset: [],
    schema: schemas.cidrs,
  },
  publicIp: {
    key: "publicIp",
    flag: "--public-ip",
    env: "P2PRC_GATEWAY_PUBLIC_IP",
    shape: "text",
    argument: "URL|ADDRESS|off",
    summary: "where to ask for the own public address, or the address itself",
    accepts: "an http or https URL, an IP address, or off",
    preset: "http://ip-api.com/json/",
    schema: schemas.publicIp,
  },
  insecureBind: {
    key: "insecureBind",
    flag: "--insecure-bind",
    env: "P2PRC_GATEWAY_INSECURE_BIND",
    shape: "switch",
    argument: "",
    summary: "listen beyond loopback without TLS and without authentication",
    accepts: "true or false",
    preset: false,
    schema: schemas.isOn,
  },
  corsOrigins: {
    key: "corsOrigin",
    flag: "--cors-origin",
    env: "P2PRC_GATEWAY_CORS_ORIGIN",
    shape: "list",
    argument: "ORIGIN",
    summary: "let pages of this origin call the gateway (repeatable)",
    accepts: "exact origins like https://app.example, without path and without *",
    preset: [],
    schema: schemas.origins,
  },
  acceptLoss: {
    key: "acceptLoss",
    flag: "--accept-loss",
    env: "P2PRC_GATEWAY_ACCEPT_LOSS",
    shape: "switch",
    argument: "",
    summary: "give up a damaged tracking file that was never imported: it is moved aside",
    accepts: "true or false",
    preset: false,
    schema: schemas.isOn,
  },
  lookIntervalSeconds: {
    key: "lookInterval",
    flag: "--look-interval",
    env: "P2PRC_GATEWAY_LOOK_INTERVAL",
    shape: "text",
    argument: "SECONDS",
    summary: "how often each tracked container is looked at; 0 = never",
    accepts: "a whole number of seconds, 0..86400",
    preset: "60",
    schema: schemas.seconds,
  },
  redis: {
    key: "redis",
    flag: "--redis",
    env: "P2PRC_GATEWAY_REDIS",
    shape: "text",
    argument: "URL",
    summary: "share the state of containers with other gateways in this Redis; else it is in the base folder",
    accepts: "redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], or rediss:// for TLS",
    schema: schemas.redis,
  },
  redisPasswordFile: {
    key: "redisPasswordFile",
    flag: "--redis-password-file",
    env: "P2PRC_GATEWAY_REDIS_PASSWORD_FILE",
    shape: "text",
    argument: "FILE",
    summary: "the password of --redis, so that the list of processes does not show it",
    accepts: "the path of a file that holds the password",
    schema: schemas.path,
  },
  namespace: {
    key: "namespace",
    flag: "--namespace",
    env: "P2PRC_GATEWAY_NAMESPACE",
    shape: "text",
    argument: "NAME",
    summary: "gateways of one namespace share one state in Redis",
    accepts: "1 to 64 letters, digits, dots, dashes and underscores",
    preset: "default",
    schema: schemas.namespace,
  },
  logLevel: {
    key: "logLevel",
    flag: "--log-level",
    env: "P2PRC_GATEWAY_LOG_LEVEL",
    shape: "text",
    argument: "LEVEL",
    summary: "how much to log",
    accepts: logLevels.join(", "),
    preset: "info",
    schema: schemas.logLevel,
  },
  config: {
    key: "config",
    flag: "--config",
    env: "P2PRC_GATEWAY_CONFIG",
    shape: "text",
    argument: "FILE",
    summary: "the configuration file; else .p2prc/gateway.json in the base folder, if it is there",
    accepts: "the path of a JSON file that exists",
    schema: schemas.path,
  },
} as const satisfies Record<string, Setting<unknown>>;

/** The same, for whoever goes through all of them. */
export const allSettings: readonly Setting<unknown>[] = Object.values(settings);

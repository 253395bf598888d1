import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { parsePort } from "../peer-api/address.js";
import { ConfigError } from "./errors.js";
import { type JsonObject, readJsonObject } from "./json-file.js";

/** What the original client's config.json says. Paths are absolute. */
export interface OriginalConfig {
  /** Whether there is a config.json: a P2PRC server may run in the same folder. */
  readonly present: boolean;
  /** Empty = not told. */
  readonly machineName: string;
  /** Port of the P2PRC server in the same folder, 1..65535. */
  readonly serverPort: number | undefined;
  readonly ipTablePath: string;
  readonly trackContainersPath: string;
  /** The file of groups that is there, else the one that we would write. */
  readonly groupTrackContainersPath: string;
  /** Both names that are in use for it; absent = config.json says which. */
  readonly groupTrackContainersNames: { readonly plural: string; readonly singular: string } | undefined;
  /** Folder of the Ansible plugins. */
  readonly pluginPath: string;
  readonly publicKeyFile: string;
  readonly privateKeyFile: string;
  readonly isTest: boolean;
}

/** Empty or null = not told. */
const text = z
  .string("that is no text")
  .nullish()
  .transform((value) => value ?? "");

/** Text until today, a number should somebody write one; 0 and empty = not told. */
const port = z
  .union([z.string(), z.number()], "that is no port 1..65535")
  .nullish()
  .transform((value, context) => {
    const digits = String(value ?? "");
    if (digits === "" || digits === "0") return undefined;
    const number = parsePort(digits);
    if (number === undefined) context.addIssue({ code: "custom", message: "that is no port 1..65535" });
    return number;
  });

/**
 * A boolean, or one as text in any case ("True") or as a digit; empty or null = false.
 * Source: shared protocol notes, "Traps": "0" was a real spelling.
 */
const flag = z
  .union(
    [
      z.boolean(),
      z.literal([0, 1]),
      z
        .string()
        .toLowerCase()
        .pipe(z.enum(["true", "false", "1", "0", ""])),
    ],
    "that is neither true nor false",
  )
  .nullish()
  .transform((value) => value === true || value === 1 || value === "true" || value === "1");

/**
 * The keys we read, in lower case: until 2023 all keys were, later they are Go names.
 * Source: shared protocol notes, "config.json".
 */
const schema = z.object({
  machinename: text,
  serverport: port,
  iptable: text,
  trackcontainerspath: text,
  grouptrackcontainerspath: text,
  pluginpath: text,
  publickeyfile: text,
  privatekeyfile: text,
  test: flag,
});

/**
 * Where things are if config.json does not say: the first that exists, else the first.
 * The second names are the ones of some versions, or of their documentation.
 */
const defaultPaths = {
  ipTable: ["p2p/iptable/ip_table.json"],
  trackContainers: ["client/trackcontainers/trackcontainers.json"],
  plugins: ["plugin/deploy"],
  publicKey: ["p2prc.publicKey", "p2prc.PublicKeyBareMetal"],
  privateKey: ["p2prc.privateKey"],
} as const;

/** The original writes the plural; its documentation, and we where neither exists, say the singular. */
const groupNames = {
  plural: "client/trackcontainers/grouptrackcontainers.json",
  singular: "client/trackcontainers/grouptrackcontainer.json",
} as const;

/**
 * Reads config.json in the base folder, whatever version wrote it. A file of no bytes counts as none: versions left
 * such files behind (shared protocol notes, "Traps").
 *
 * @throws {ConfigError} it cannot be read, or a key we use holds something of another kind; names file and key
 */
export function readOriginalConfig(baseDir: string): OriginalConfig {
  const file = join(baseDir, "config.json");
  const members = isZeroBytes(file) ? undefined : readJsonObject(file);
  const told = judge(file, members ?? {});
  const pathOf = (path: string, names: readonly string[]): string =>
    path === "" ? defaultPath(baseDir, names) : resolve(baseDir, path);
  return Object.freeze({
    present: members !== undefined,
    machineName: told.machinename,
    serverPort: told.serverport,
    ipTablePath: pathOf(told.iptable, defaultPaths.ipTable),
    trackContainersPath: pathOf(told.trackcontainerspath, defaultPaths.trackContainers),
    ...groupPaths(baseDir, told.grouptrackcontainerspath),
    pluginPath: pathOf(told.pluginpath, defaultPaths.plugins),
    publicKeyFile: pathOf(told.publickeyfile, defaultPaths.publicKey),
    privateKeyFile: pathOf(told.privatekeyfile, defaultPaths.privateKey),
    isTest: told.test,
  });
}

function groupPaths(
  baseDir: string,
  told: string,
): Pick<OriginalConfig, "groupTrackContainersPath" | "groupTrackContainersNames"> {
  if (told !== "") {
    return { groupTrackContainersPath: resolve(baseDir, told), groupTrackContainersNames: undefined };
  }
  const names = { plural: join(baseDir, groupNames.plural), singular: join(baseDir, groupNames.singular) };
  const isPlural = existsSync(names.plural);
  return {
    groupTrackContainersPath: isPlural ? names.plural : names.singular,
    groupTrackContainersNames: names,
  };
}

/** Asked here and not in `json-file.ts`: a configuration of our own that is empty was cut short. */
function isZeroBytes(file: string): boolean {
  try {
    const stat = statSync(file);
    return stat.isFile() && stat.size === 0;
  } catch {
    return false; // Whoever reads it says why it cannot be read.
  }
}

/** Keys count whatever their case; of two that differ in nothing else the later one counts, as Go reads them. */
function judge(file: string, members: JsonObject): z.output<typeof schema> {
  const spellings = new Map(Object.keys(members).map((key) => [key.toLowerCase(), key]));
  const folded = Object.fromEntries([...spellings].map(([lower, key]) => [lower, members[key]]));
  const result = schema.safeParse(folded);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = String(issue?.path[0] ?? "");
  throw new ConfigError(`key "${spellings.get(key) ?? key}" of ${file}: ${issue?.message ?? "not accepted"}`);
}

function defaultPath(baseDir: string, names: readonly string[]): string {
  const paths = names.map((name) => join(baseDir, name));
  return paths.find((candidate) => existsSync(candidate)) ?? paths[0] ?? baseDir;
}

/** `p2prc state export|import`: moves the state of a base folder between the embedded store and Redis. */
import { resolve } from "node:path";
import { loadConfig } from "../config/config.js";
import { settings } from "../config/settings.js";
import { openLogger } from "../observability/open-logger.js";
import { exportStateOf, importStateInto, isOfSilentDisk } from "../app/state-transfer.js";
import type { Command } from "commander";
import { addConfigFlags, configFlagsOf } from "./config-flags.js";
import { UsageError } from "./errors.js";
import type { Surroundings } from "./surroundings.js";

type Options = Readonly<Record<string, unknown>>;

/** Adds the flags that say which state is meant. */
export function addStateFlags(command: Command): Command {
  const { base, redis, redisPasswordFile, namespace, logLevel, config } = settings;
  addConfigFlags(command, [base, redis, redisPasswordFile, namespace, logLevel, config]);
  return command;
}

export async function runStateExport(
  file: string,
  options: Options,
  surroundings: Surroundings,
): Promise<number> {
  const { config, logger, path } = readOptions(file, options, surroundings);
  const exporting = exportStateOf(config, logger, path, surroundings.signal);
  const { recordCount, digest } = await tellingOfSilence(exporting, surroundings);
  surroundings.output.stdout.write(`${String(recordCount)} records exported, sha256 ${digest}\n`);
  return 0;
}

export async function runStateImport(
  file: string,
  options: Options,
  surroundings: Surroundings,
): Promise<number> {
  const { config, logger, path } = readOptions(file, options, surroundings);
  const wish = { path, replaces: options["replace"] === true, signal: surroundings.signal };
  const { recordCount, digest } = await tellingOfSilence(importStateInto(config, logger, wish), surroundings);
  surroundings.output.stdout.write(`${String(recordCount)} records imported, sha256 ${digest}\n`);
  return 0;
}

async function tellingOfSilence<T>(work: Promise<T>, { onSilentDisk }: Surroundings): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isOfSilentDisk(error)) onSilentDisk?.();
    throw error;
  }
}

function readOptions(file: string, options: Options, { env, cwd, output }: Surroundings) {
  // It is read twice, and complete or not there at all: no stream is.
  if (file === "-") throw new UsageError("a state is moved in a file, not through a pipe: name one");
  const config = loadConfig({ flags: configFlagsOf(options), env, cwd });
  return { config, logger: openLogger("warn", output.stderr), path: resolve(cwd, file) };
}

/** `p2prc serve`: the gateway, until a signal comes. */
import { openApp } from "../app/app.js";
import { loadConfig } from "../config/config.js";
import { configFlagsOf } from "./config-flags.js";
import { openLogger } from "../observability/open-logger.js";
import { type Surroundings, untilAborted } from "./surroundings.js";

/** @returns 0 after a signal: ending it is how it is meant to end. A second signal ends the process at once. */
export async function runServe(
  options: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<number> {
  const { output, env, cwd, signal } = surroundings;
  const config = loadConfig({ flags: configFlagsOf(options), env, cwd });
  const app = await openApp({ config, logger: openLogger(config.logLevel, output.stderr), listen: true });
  output.stdout.write(`p2prc gateway ready: ${app.url ?? ""} and socket ${app.socketPath}\n`);
  await untilAborted(signal);
  await app.close();
  return 0;
}

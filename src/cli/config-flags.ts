import { type Command, Option } from "commander";
import type { Setting } from "../config/settings.js";
import { allSettings, settings } from "../config/settings.js";

/** Settings that matter to a client which may open the gateway in its own process, without a TCP port. */
export const clientSettings: readonly Setting<unknown>[] = [
  settings.base,
  settings.allowCidrs,
  settings.publicIp,
  settings.redis,
  settings.redisPasswordFile,
  settings.namespace,
  settings.logLevel,
  settings.config,
];

/** Adds the flags of settings to a command. Values are judged by `loadConfig`, not here. */
export function addConfigFlags(command: Command, chosen: readonly Setting<unknown>[] = allSettings): void {
  for (const setting of chosen) command.addOption(optionOf(setting).helpGroup("Configuration:"));
}

function optionOf({ flag, argument, summary, shape, env }: Setting<unknown>): Option {
  const text = `${summary} [${env}]`;
  switch (shape) {
    case "switch":
      return new Option(flag, text);
    case "text":
      return new Option(`${flag} <${argument}>`, text);
    case "list":
      return repeatable(new Option(`${flag} <${argument}>`, text));
  }
}

/** Makes an option collect its values. */
export function repeatable(option: Option): Option {
  return option.argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    value,
  ]);
}

/** Picks what `loadConfig` reads out of parsed options. */
export function configFlagsOf(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const keys = new Set(allSettings.map(({ key }) => key));
  return Object.fromEntries(Object.entries(options).filter(([key]) => keys.has(key)));
}

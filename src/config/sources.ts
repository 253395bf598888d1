import { ConfigError } from "./errors.js";
import type { JsonObject } from "./json-file.js";
import { allSettings, type Setting } from "./settings.js";

/** A value as somebody gave it, not yet judged, and where: `flag --listen`. */
export interface Given {
  readonly value: unknown;
  readonly origin: string;
}

/** What one source gives, by the key of the setting. */
export type Source = ReadonlyMap<string, Given>;

const envPrefix = "P2PRC_GATEWAY_";
const settingOf = new Map(allSettings.map((setting) => [setting.key, setting]));

/** Reads parsed flags, named as in the configuration file (`allowCidr`). An undefined value was not given. */
export function fromFlags(flags: Readonly<Record<string, unknown>>): Source {
  const source = new Map<string, Given>();
  for (const [key, value] of Object.entries(flags)) {
    const setting = settingOf.get(key);
    if (setting === undefined) throw unknown(`flag ${flagOf(key)}`, (known) => known.flag);
    if (value !== undefined) source.set(key, { value, origin: `flag ${setting.flag}` });
  }
  return source;
}

/** Reads the environment. An empty variable counts as not set: that is how compose files pass on an unset one. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const names = new Set(allSettings.map((setting) => setting.env));
  for (const name of Object.keys(env)) {
    if (!name.startsWith(envPrefix) || names.has(name)) continue;
    throw unknown(`environment variable ${name}`, (known) => known.env);
  }
  const source = new Map<string, Given>();
  for (const setting of allSettings) {
    const text = env[setting.env] ?? "";
    if (text === "") continue;
    source.set(setting.key, {
      value: fromText(setting, text),
      origin: `environment variable ${setting.env}`,
    });
  }
  return source;
}

/** Reads the members of the configuration file. It cannot name another configuration file. */
export function fromFile(members: JsonObject, path: string): Source {
  const source = new Map<string, Given>();
  for (const [key, value] of Object.entries(members)) {
    const origin = `key ${JSON.stringify(key)} of ${path}`;
    if (key === "config" || !settingOf.has(key)) {
      throw unknown(origin, (known) => (known.key === "config" ? undefined : known.key));
    }
    source.set(key, { value, origin });
  }
  return source;
}

/** The values of settings that nobody has to give. */
export function fromPresets(): Source {
  const preset = (setting: Setting<unknown>) => ({ value: setting.preset, origin: "default" });
  return new Map(
    allSettings
      .filter((setting) => setting.preset !== undefined)
      .map((setting) => [setting.key, preset(setting)] as const),
  );
}

/** What the first source that knows the setting gives; lists of several sources are not joined. */
export function find(setting: Setting<unknown>, sources: readonly Source[]): Given | undefined {
  for (const source of sources) {
    const given = source.get(setting.key);
    if (given !== undefined) return given;
  }
  return undefined;
}

/** The same for a setting that one of the sources is sure to give. */
export function take(setting: Setting<unknown>, sources: readonly Source[]): Given {
  const given = find(setting, sources);
  if (given === undefined) throw new Error(`no source gives ${setting.key}`);
  return given;
}

/** Judges a value. @throws {ConfigError} naming the value, where it came from and what is accepted */
export function accept<T>(setting: Setting<T>, given: Given): T {
  const result = setting.schema.safeParse(given.value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const index = issue?.path[0];
  const culprit: unknown =
    typeof index === "number" && Array.isArray(given.value) ? given.value[index] : given.value;
  throw refused(setting, { ...given, value: culprit }, issue?.message ?? "not accepted");
}

/** Judges everything that was given. A value that a better source hides is a mistake all the same. */
export function acceptAll(sources: readonly Source[]): void {
  for (const setting of allSettings) {
    for (const source of sources) {
      const given = source.get(setting.key);
      if (given !== undefined) accept(setting, given);
    }
  }
}

/** The error for a value that cannot be taken. */
export function refused(setting: Setting<unknown>, given: Given, reason: string): ConfigError {
  return new ConfigError(`${given.origin}: ${shown(given.value)}: ${reason}; accepted: ${setting.accepts}`);
}

const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function unknown(what: string, nameOf: (known: Setting<unknown>) => string | undefined): ConfigError {
  const names = allSettings.map(nameOf).filter((name) => name !== undefined);
  return new ConfigError(`unknown ${what}; accepted: ${names.join(", ")}`);
}

function fromText(setting: Setting<unknown>, text: string): unknown {
  switch (setting.shape) {
    case "text":
      return text;
    case "list":
      return text.split(",").map((piece) => piece.trim());
    case "switch":
      return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
  }
}

/** Short, on one line, and without the password of a URL, however it is spelled or misspelled: errors end in logs. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  return (text ?? typeof value)
    .replace(/^("?(?:[a-z][a-z0-9+.-]*:\/\/)?).*@/i, "$1***@")
    .replace(/\?[^"]*/, "?***")
    .slice(0, 200);
}

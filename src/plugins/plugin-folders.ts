/** Plugins as they lie in their folder. What is wrong with one is said of it, and hurts no other. */
import { constants } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, FileFault } from "../system/errors.js";
import { readFileWithin } from "../system/read-file.js";
import type { Plugin } from "./contract.js";
import { PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";
import { isPluginFolder, pluginName } from "./names.js";
import { renderPlaybook } from "./template.js";

/** A plugin that can run. */
export interface RunnablePlugin {
  readonly plugin: Plugin;
  /** Its folder, as an absolute path. */
  readonly path: string;
  /** `site.yml` as it is written. */
  readonly playbook: string;
  /** The interpreter that its `hosts` names; undefined = none. */
  readonly pythonInterpreter: string | undefined;
}

/** What makes a folder no plugin, in words for people. */
export class BrokenPluginError extends Error {
  override readonly name = "BrokenPluginError";
  /** What is not there at all; undefined = something else is wrong. */
  readonly missing: "folder" | "file" | undefined;

  constructor(message: string, missing?: "folder" | "file") {
    super(message);
    this.missing = missing;
  }
}

/** Lists every folder, by name. A plugin path that is not there holds no plugins. @throws {PluginError} */
export async function listPlugins(pluginPath: string): Promise<readonly Plugin[]> {
  const names = await foldersIn(pluginPath);
  const plugins: Plugin[] = [];
  for (const folder of names.slice(0, pluginLimits.maxPlugins))
    plugins.push(await describe(pluginPath, folder));
  return plugins;
}

async function foldersIn(pluginPath: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(pluginPath, { withFileTypes: true });
    // A link is shown, as broken: somebody meant it to be a plugin.
    return entries
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith("."))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw new PluginError(
      "PLUGIN_PATH_UNREADABLE",
      `the plugin path cannot be read: ${codeOf(error) ?? "error"}`,
      {
        cause: error,
      },
    );
  }
}

async function describe(pluginPath: string, folder: string): Promise<Plugin> {
  if (!isPluginFolder(folder)) {
    const shown = folder.replace(/[^A-Za-z0-9_.-]/g, "?").slice(0, 128);
    return {
      ...nothing(shown),
      brokenReason: "its name has other characters than letters, digits, _, . and -",
    };
  }
  try {
    return (await readPlugin(pluginPath, folder)).plugin;
  } catch (error) {
    if (!(error instanceof BrokenPluginError)) throw error;
    return { ...nothing(folder), brokenReason: error.message };
  }
}

const nothing = (folder: string): Omit<Plugin, "brokenReason"> => ({
  name: pluginName(folder),
  folder,
  description: "",
  portCount: 0,
});

/** @throws {PluginError} PLUGIN_NOT_FOUND, PLUGIN_BROKEN */
export async function findPlugin(pluginPath: string, folder: string): Promise<RunnablePlugin> {
  const metadata = { plugin: pluginName(folder) };
  try {
    return await readPlugin(pluginPath, folder);
  } catch (error) {
    if (!(error instanceof BrokenPluginError)) throw error;
    if (error.missing === "folder")
      throw new PluginError("PLUGIN_NOT_FOUND", "there is no such plugin", { metadata });
    throw new PluginError("PLUGIN_BROKEN", `the plugin cannot run: ${error.message}`, { metadata });
  }
}

/** Reads what makes a folder a plugin. @throws {BrokenPluginError} */
export async function readPlugin(pluginPath: string, folder: string): Promise<RunnablePlugin> {
  const path = join(pluginPath, folder);
  await requireFolder(path);
  const description = await readText(path, "description.txt");
  const portCount = readPortCount(await readText(path, "ports.json"));
  const playbook = await readText(path, "site.yml", pluginLimits.maxPlaybookBytes);
  try {
    renderPlaybook(
      playbook,
      Array.from({ length: portCount }, () => 1),
    );
  } catch (error) {
    throw new BrokenPluginError(`site.yml, ${(error as Error).message}`);
  }
  const hosts = await readText(path, "hosts").catch((error: unknown) => {
    // The original writes it anew for each run: one that is missing is no fault.
    if ((error as BrokenPluginError).missing === "file") return "";
    throw error;
  });
  return {
    plugin: {
      ...nothing(folder),
      description: cutBytes(description, pluginLimits.maxDescriptionBytes),
      portCount,
      brokenReason: "",
    },
    path,
    playbook,
    pythonInterpreter: interpreterIn(hosts),
  };
}

async function requireFolder(path: string): Promise<void> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) throw new BrokenPluginError("it is a link, not a folder");
    if (!stats.isDirectory()) throw new BrokenPluginError("it is no folder");
  } catch (error) {
    if (error instanceof BrokenPluginError) throw error;
    const code = codeOf(error) ?? "error";
    throw new BrokenPluginError(`it cannot be read: ${code}`, code === "ENOENT" ? "folder" : undefined);
  }
}

async function readText(
  folder: string,
  name: string,
  maxBytes: number = pluginLimits.maxSmallFileBytes,
): Promise<string> {
  const path = join(folder, name);
  try {
    // A link could lead to any file of this machine, whose text would be shown as a description.
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    await handle.close();
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFileWithin(path, maxBytes, undefined));
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") throw new BrokenPluginError(`${name} is missing`, "file");
    if (code === "ELOOP") throw new BrokenPluginError(`${name} is a link`);
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") throw new BrokenPluginError(`${name} is not UTF-8`);
    const why = error instanceof FileFault ? error.message : (code ?? "error");
    throw new BrokenPluginError(`${name} cannot be read: ${why}`);
  }
}

/** `{"NumOfPorts": n}`; keys in any case, as Go reads them. */
function readPortCount(text: string): number {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BrokenPluginError("ports.json is not JSON");
  }
  const entry = Object.entries(value ?? {}).find(([key]) => key.toLowerCase() === "numofports");
  const count: unknown = entry?.[1];
  if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= pluginLimits.maxPorts)
    return count;
  throw new BrokenPluginError(`ports.json has no NumOfPorts of 0..${pluginLimits.maxPorts}`);
}

/** A path or one of Ansible's words; whatever else stands there is not taken over. */
const interpreterIn = (hosts: string): string | undefined =>
  /^\s*ansible_python_interpreter:\s*["']?((?:\/[A-Za-z0-9_.+-]+)+|auto[a-z_]*)["']?\s*$/m.exec(hosts)?.[1];

function cutBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  return bytes.length <= maxBytes
    ? text
    : bytes
        .subarray(0, maxBytes)
        .toString()
        .replace(/\ufffd+$/, "");
}

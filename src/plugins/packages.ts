/** Plugins out of git repositories. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../system/clock.js";
import { codeOf } from "../system/errors.js";
import { findProgram, markVariable, type ProgramSurroundings } from "./ansible-program.js";
import type { Caller, Plugin } from "./contract.js";
import { PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";
import { killMarked, signalTo } from "./marked-processes.js";
import { isPluginFolder, pluginName, readPluginName } from "./names.js";
import { readPlugin } from "./plugin-folders.js";
import { copyFolder } from "./snapshot.js";

export interface PluginPackagesDeps extends ProgramSurroundings {
  readonly pluginPath: string;
  readonly clock: Clock;
  /** Aborted when no new work is taken. */
  readonly draining: AbortSignal;
}

/** Lists of plugins pass over folders that begin with a dot. */
const stagingStart = ".p2prc-staging-";

export class PluginPackages {
  readonly #deps: PluginPackagesDeps;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(deps: PluginPackagesDeps) {
    this.#deps = deps;
  }

  /** Removes what was cut short by the end of a gateway, and ends a git that outlived it. */
  async clearAway(): Promise<void> {
    const { pluginPath } = this.#deps;
    const names = await readdir(pluginPath).catch(() => []);
    for (const name of names.filter((candidate) => candidate.startsWith(stagingStart))) {
      await killMarked(name);
      await this.#discard(join(pluginPath, name));
    }
  }

  /** Ends what is fetched; resolves when no process and no staging folder is left. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#running);
  }

  /**
   * Fetches a repository into a folder beside the plugins, looks at it there, and gives it its name when it is whole.
   *
   * @throws {PluginError} PERMISSION, DRAINING, INVALID_PLUGIN_URL, PLUGIN_EXISTS, GIT_MISSING, INSTALL_FAILED
   */
  async install(text: string, caller: Caller, signal: AbortSignal): Promise<Plugin> {
    requireOperator(caller);
    const { url, folder } = readPluginUrl(text);
    return await this.#work(() =>
      this.#install(url, folder, AbortSignal.any([signal, this.#stopping.signal])),
    );
  }

  /** @throws {PluginError} PERMISSION, DRAINING, INVALID_PLUGIN_NAME, PLUGIN_NOT_FOUND, PLUGIN_PATH_UNREADABLE */
  async remove(text: string, caller: Caller): Promise<void> {
    requireOperator(caller);
    const folder = readPluginName(text, "plugin");
    await this.#work(() => this.#remove(folder));
  }

  /** Begins nothing while the gateway drains; its end waits for what was begun. */
  async #work<T>(begin: () => Promise<T>): Promise<T> {
    if (this.#deps.draining.aborted || this.#stopping.signal.aborted) throw draining();
    const working = begin();
    this.#running.add(working);
    try {
      return await working;
    } finally {
      this.#running.delete(working);
    }
  }

  async #install(url: URL, folder: string, signal: AbortSignal): Promise<Plugin> {
    const { pluginPath, searchPath } = this.#deps;
    const target = join(pluginPath, folder);
    if (await isThere(target)) throw exists(folder);
    const git = await findProgram("git", searchPath);
    if (git === undefined)
      throw new PluginError(
        "GIT_MISSING",
        "git is not in the gateway's PATH; install it with `apt install git`",
      );
    const staging = join(pluginPath, `${stagingStart}${randomUUID()}`);
    try {
      await mkdir(staging, { recursive: true, mode: 0o700 });
      await this.#clone(git, url, staging, signal);
      // Without links, without what git keeps, and no larger than a run takes.
      await copyFolder(join(staging, "clone"), join(staging, folder));
      const { plugin } = await readPlugin(staging, folder);
      signal.throwIfAborted();
      await rename(join(staging, folder), target);
      return plugin;
    } catch (error) {
      if (this.#stopping.signal.aborted) throw draining();
      throw installFailure(error, folder);
    } finally {
      await this.#discard(staging);
    }
  }

  async #remove(folder: string): Promise<void> {
    const { pluginPath } = this.#deps;
    // At once, whatever the time its files take; of a link only the link itself goes.
    const leaving = join(pluginPath, `${stagingStart}${randomUUID()}`);
    try {
      await rename(join(pluginPath, folder), leaving);
    } catch (error) {
      const code = codeOf(error) ?? "error";
      if (code !== "ENOENT") {
        throw new PluginError("PLUGIN_PATH_UNREADABLE", `the plugin path cannot be changed: ${code}`, {
          cause: error,
        });
      }
      throw new PluginError("PLUGIN_NOT_FOUND", "there is no such plugin", {
        metadata: { plugin: pluginName(folder) },
      });
    }
    await this.#discard(leaving);
  }

  /** What cannot be removed now goes at the next start. */
  async #discard(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }

  async #clone(git: string, url: URL, staging: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // The next start finds it by the folder's name.
    const mark = basename(staging);
    const child = spawn(git, cloneArguments(url, join(staging, "clone")), {
      cwd: staging,
      env: { ...gitEnvironment(this.#deps.searchPath), [markVariable]: mark },
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-4_096)));
    let why = "";
    const end = (reason: string): void => {
      why ||= reason;
      if (child.pid !== undefined) signalTo(-child.pid, "SIGKILL");
      void killMarked(mark);
    };
    const leave = (): void => end("the caller left");
    signal.addEventListener("abort", leave, { once: true });
    const cancel = this.#deps.clock.after(pluginLimits.installMs, () => end("it took too long"));
    const stopWatching = this.#watchSize(staging, () => end("it is too large"));
    try {
      const [code] = (await once(child, "close")) as [number | null];
      if (code === 0 && why === "") return;
      const [fatal = ""] = /^fatal: .*$/m.exec(said) ?? [];
      // It may quote the server, and so a stranger: nothing that moves a cursor or hides.
      const quoted = fatal.replace(/[^ -~]/g, "").slice(0, 200);
      throw new PluginError(
        "INSTALL_FAILED",
        `the repository could not be fetched: ${why || quoted || "git failed"}`,
      );
    } finally {
      // Somebody who left the group would write on into a folder that goes.
      await killMarked(mark);
      cancel();
      stopWatching();
      signal.removeEventListener("abort", leave);
    }
  }

  /** Looks now and then how much is on the disk. @returns what ends it */
  #watchSize(folder: string, onTooLarge: () => void): () => void {
    let isOver = false;
    let cancel = (): void => undefined;
    const look = async (): Promise<void> => {
      if ((await bytesBelow(folder)) > pluginLimits.maxRepositoryBytes) onTooLarge();
      else again();
    };
    const again = (): void => {
      if (!isOver) cancel = this.#deps.clock.after(sizeLookMs, () => void look());
    };
    again();
    return () => {
      isOver = true;
      cancel();
    };
  }
}

const sizeLookMs = 200;

/** Reads a URL, and what its plugin will be called. @throws {PluginError} INVALID_PLUGIN_URL */
export function readPluginUrl(text: string): { readonly url: URL; readonly folder: string } {
  const refuse = (why: string): PluginError =>
    new PluginError("INVALID_PLUGIN_URL", `url ${why}`, { field: "url" });
  if (!URL.canParse(text)) throw refuse("is no URL");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "file:") throw refuse("is neither https nor file");
  // A password would stand in the list of processes.
  if (url.username !== "" || url.password !== "") throw refuse("names a user or a password");
  if (url.search !== "" || url.hash !== "") throw refuse("has a query or a fragment");
  if (url.protocol === "file:" && url.host !== "") throw refuse("names a host");
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const named = url.protocol === "file:" ? parts.slice(-1) : parts;
  const folder = named.join("_").replace(/\.git$/, "");
  if (!isPluginFolder(folder)) throw refuse("has a path that makes no folder's name");
  return { url, folder };
}

/** No hook, no submodule, no other transport, no helper; nothing that a configuration of the machine adds. */
function cloneArguments(url: URL, target: string): string[] {
  const settings = [
    "protocol.allow=never",
    `protocol.${url.protocol.replace(":", "")}.allow=always`,
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "http.followRedirects=false",
    "transfer.fsckObjects=true",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
  ];
  const how = [
    "--depth=1",
    "--single-branch",
    "--no-tags",
    "--no-recurse-submodules",
    "--template=",
    "--quiet",
  ];
  return [...settings.flatMap((setting) => ["-c", setting]), "clone", ...how, "--", url.href, target];
}

const gitEnvironment = (searchPath: string): Record<string, string> => ({
  PATH: searchPath,
  LC_ALL: "C",
  GIT_TERMINAL_PROMPT: "0",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ASKPASS: "true",
  GIT_LFS_SKIP_SMUDGE: "1",
});

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    // What git renames or removes meanwhile counts the next time.
    if (entry.isFile())
      bytes += (await lstat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

function requireOperator(caller: Caller): void {
  if (caller === "operator") return;
  throw new PluginError(
    "PERMISSION",
    "plugins are installed and removed over the gateway's local socket only",
  );
}

const draining = (): PluginError => new PluginError("DRAINING", "the gateway ends");

const exists = (folder: string): PluginError =>
  new PluginError("PLUGIN_EXISTS", "there is a plugin of that name", {
    metadata: { plugin: pluginName(folder) },
  });

function installFailure(error: unknown, folder: string): Error {
  // Another call was first.
  if (codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST") return exists(folder);
  if (error instanceof PluginError && error.reason !== "PLUGIN_BROKEN") return error;
  const code = codeOf(error);
  if (code !== undefined) {
    // The system's message names paths of this machine.
    return new PluginError("INSTALL_FAILED", `the plugin could not be put into its folder: ${code}`, {
      cause: error,
    });
  }
  const why = error instanceof Error ? error.message : "";
  return new PluginError("INSTALL_FAILED", `the repository holds no plugin that can run: ${why}`, {
    cause: error,
  });
}

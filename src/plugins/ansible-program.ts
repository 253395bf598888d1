/** Ansible as it is installed on this machine. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { PluginError } from "./errors.js";

/** What of our environment the programs we start are given. No secret is in it. */
export interface ProgramSurroundings {
  /** `$PATH`. */
  readonly searchPath: string;
  /** `$HOME`; empty = not set. */
  readonly home: string;
}

/** @returns its path @throws {PluginError} ANSIBLE_MISSING, with how to install it */
export async function findAnsible({ searchPath }: ProgramSurroundings): Promise<string> {
  const found = await findProgram("ansible-playbook", searchPath);
  if (found !== undefined) return found;
  throw new PluginError(
    "ANSIBLE_MISSING",
    "ansible-playbook is not in the gateway's PATH; install it with `apt install ansible-core` or `pip install ansible-core`",
  );
}

/** Only for containers of before 2023-12-15, which know no keys. @throws {PluginError} SSHPASS_MISSING */
export async function requireSshpass({ searchPath }: ProgramSurroundings): Promise<void> {
  if ((await findProgram("sshpass", searchPath)) !== undefined) return;
  throw new PluginError(
    "SSHPASS_MISSING",
    "the container takes a password only, and sshpass is not in the gateway's PATH; install it with `apt install sshpass`",
  );
}

/** @returns undefined if it is not in the PATH */
export async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    // A relative one depends on where the gateway was started.
    if (!isAbsolute(folder)) continue;
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      if ((await stat(path)).isFile()) return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

export interface AnsibleEnvironmentOptions extends ProgramSurroundings {
  /** By which every process of the run is known. */
  readonly mark: string;
  /** The folder of the run, for whatever Ansible writes on this machine. */
  readonly runFolder: string;
  /** A configuration without settings: neither the user's nor one that lies in a plugin counts. */
  readonly configPath: string;
  readonly callbackFolder: string;
}

/** Descriptor that our callback writes events to. */
export const eventsFd = 3;

/** The whole environment of Ansible: nothing is inherited. */
export function ansibleEnvironment(options: AnsibleEnvironmentOptions): Record<string, string> {
  const { searchPath, home, mark, runFolder, configPath, callbackFolder } = options;
  return {
    PATH: searchPath,
    ...(home === "" ? {} : { HOME: home }),
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    [markVariable]: mark,
    P2PRC_EVENTS_FD: String(eventsFd),
    PYTHONDONTWRITEBYTECODE: "1",
    ANSIBLE_CONFIG: configPath,
    ANSIBLE_LOCAL_TEMP: join(runFolder, "tmp"),
    ANSIBLE_CALLBACK_PLUGINS: callbackFolder,
    ANSIBLE_STDOUT_CALLBACK: "p2prc_events",
    ANSIBLE_RETRY_FILES_ENABLED: "False",
    ANSIBLE_NOCOLOR: "1",
    ANSIBLE_DEPRECATION_WARNINGS: "False",
    ANSIBLE_DEVEL_WARNING: "False",
    ANSIBLE_INVENTORY_UNPARSED_FAILED: "True",
    // One connection per task in place of three: each makes a handshake of its own.
    ANSIBLE_PIPELINING: "True",
    // In place of the default, which leaves a connection in the background.
    ANSIBLE_SSH_ARGS: "-o ControlMaster=no",
    ANSIBLE_SSH_RETRIES: "0",
  };
}

export const markVariable = "P2PRC_RUN";

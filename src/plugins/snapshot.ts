import { constants } from "node:fs";
import { mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { codeOf } from "../system/errors.js";
import { PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";

/**
 * Copies a plugin's folder for a run: what is changed or removed meanwhile does not reach the run. Nothing but folders
 * and files is taken; a link or a device in it refuses the run.
 *
 * @throws {PluginError} PLUGIN_BROKEN
 */
export async function copyFolder(from: string, to: string): Promise<void> {
  try {
    await copyInto(from, to, { files: 0, bytes: 0 });
  } catch (error) {
    // Removed meanwhile, too deep, no room on the disk.
    const code = codeOf(error);
    throw code === undefined ? error : broken(`it cannot be copied: ${code}`);
  }
}

interface Count {
  files: number;
  bytes: number;
}

async function copyInto(from: string, to: string, count: Count): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    count.files += 1;
    if (count.files > pluginLimits.maxFiles) throw broken(`it has more than ${pluginLimits.maxFiles} files`);
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      // What git keeps is no part of the plugin.
      if (entry.name !== ".git") await copyInto(source, target, count);
    } else if (entry.isFile()) await copyFile(source, target, count);
    else throw broken("it holds a link or a device");
  }
}

async function copyFile(from: string, to: string, count: Count): Promise<void> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { mode, size } = await source.stat();
    count.bytes += size;
    if (count.bytes > pluginLimits.maxFolderBytes)
      throw broken(`it is larger than ${pluginLimits.maxFolderBytes} bytes`);
    const target = await open(to, "wx", 0o600 | (mode & 0o100));
    const end = Math.max(size - 1, 0);
    if (size === 0) await target.close();
    else await pipeline(source.createReadStream({ autoClose: false, end }), target.createWriteStream());
  } finally {
    await source.close();
  }
}

const broken = (why: string): PluginError =>
  new PluginError("PLUGIN_BROKEN", `the plugin cannot run: ${why}`);

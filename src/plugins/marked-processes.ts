/**
 * Finds the processes of a run by a mark in their environment. Ansible 2.19 gives each of its workers a session of its
 * own, so a process group does not hold them all; and a number can belong to another program by the time it is used,
 * where a mark cannot.
 *
 * Linux only: elsewhere nobody can be found, and the process group is what ends.
 */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { markVariable } from "./ansible-program.js";

/** Between two looks at who is left, in milliseconds. */
const roundMs = 20;
const maxRounds = 100;

export interface MarkedProcess {
  readonly pid: number;
  /** Its arguments, joined by spaces. */
  readonly command: string;
}

/** Lists the processes that carry a mark. */
export async function markedProcesses(mark: string): Promise<readonly MarkedProcess[]> {
  const names = await readdir("/proc").catch(() => []);
  const wanted = Buffer.from(`${markVariable}=${mark}\0`);
  const found = await Promise.all(
    names.filter((name) => /^[0-9]+$/.test(name)).map(async (name) => await readMarked(Number(name), wanted)),
  );
  return found.filter((one) => one !== undefined);
}

async function readMarked(pid: number, wanted: Buffer): Promise<MarkedProcess | undefined> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`);
    const at = environment.indexOf(wanted);
    if (at < 0 || (at > 0 && environment[at - 1] !== 0)) return undefined;
    const command = (await readFile(`/proc/${pid}/cmdline`)).toString("latin1").replaceAll("\0", " ");
    return { pid, command };
  } catch {
    // It has ended, or is another user's.
    return undefined;
  }
}

/** Kills every process that carries a mark, and those that they start meanwhile. @returns how many there were */
export async function killMarked(mark: string, which = (_: MarkedProcess): boolean => true): Promise<number> {
  let count = 0;
  // A process that forks as it is killed leaves a child; each round finds fewer.
  for (let round = 0; round < maxRounds; round += 1) {
    const found = (await markedProcesses(mark)).filter(which);
    if (found.length === 0) return count;
    for (const { pid } of found) if (signalTo(pid, "SIGKILL")) count += 1;
    await setTimeout(roundMs);
  }
  return count;
}

/** @param pid negative = a whole process group @returns whether there was somebody */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Clock } from "../system/clock.js";
import { eventsFd } from "./ansible-program.js";
import { EventLines } from "./event-lines.js";
import { pluginLimits } from "./limits.js";
import { killMarked, signalTo } from "./marked-processes.js";
import { type AnsibleEvent, parseEvent } from "./task-events.js";

export interface PlaybookProcessOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** By which its processes are known; in the environment too. */
  readonly mark: string;
  readonly clock: Clock;
  /** Ends it, and every process that it started. */
  readonly signal: AbortSignal;
  /** Ansible waits while this does. */
  readonly onEvent: (event: AnsibleEvent) => Promise<void>;
}

export interface PlaybookEnd {
  /** Exit code; undefined = a signal ended it. */
  readonly exitCode: number | undefined;
  /** The ends of what Ansible itself printed. */
  readonly stdout: Printed;
  readonly stderr: Printed;
}

export interface Printed {
  readonly text: string;
  readonly droppedBytes: number;
}

/**
 * Runs Ansible once, in a process group of its own. Resolves when no process of it is left.
 *
 * @throws what `onEvent` throws, after the end; the system's error if it cannot be started
 */
export async function runPlaybook(options: PlaybookProcessOptions): Promise<PlaybookEnd> {
  const { program, args, folder, environment, mark, clock, signal } = options;
  signal.throwIfAborted();
  const child = spawn(program, args, {
    cwd: folder,
    env: environment,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const ended = endOf(child);
  const [stdout, stderr] = [tailOf(child.stdout), tailOf(child.stderr)];
  const end = endingOf(child, mark, clock);
  signal.addEventListener("abort", end.begin, { once: true });
  try {
    if (child.pid === undefined)
      return await ended.then(() => ({ exitCode: undefined, stdout: stdout(), stderr: stderr() }));
    await passOn(child.stdio[eventsFd] as Readable, options.onEvent);
    const exitCode = await ended;
    return { exitCode, stdout: stdout(), stderr: stderr() };
  } finally {
    signal.removeEventListener("abort", end.begin);
    end.begin();
    await ended.catch(() => undefined);
    end.finish();
    await killMarked(mark);
  }
}

/** Resolves when it has ended and its pipes are closed. */
function endOf(child: ChildProcess): Promise<number | undefined> {
  const ended = new Promise<number | undefined>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? undefined));
  });
  ended.catch(() => undefined);
  return ended;
}

/** Asks the whole group to end, and does not ask twice. */
function endingOf(
  child: ChildProcess,
  mark: string,
  clock: Clock,
): { readonly begin: () => void; readonly finish: () => void } {
  let cancel = (): void => undefined;
  const kill = (): void => {
    if (child.pid !== undefined) signalTo(-child.pid, "SIGKILL");
    void killMarked(mark);
  };
  // Somebody who left the group keeps its pipes open.
  child.once("exit", () => void killMarked(mark));
  return {
    begin: () => {
      const { pid, exitCode, signalCode } = child;
      if (pid === undefined || exitCode !== null || signalCode !== null) return;
      signalTo(-pid, "SIGTERM");
      cancel = clock.after(pluginLimits.terminateMs, kill);
    },
    finish: () => cancel(),
  };
}

async function passOn(events: Readable, onEvent: PlaybookProcessOptions["onEvent"]): Promise<void> {
  const lines = new EventLines(pluginLimits.maxEventBytes);
  for await (const piece of events as AsyncIterable<Buffer>) {
    for (const line of lines.push(piece)) {
      const event = parseEvent(line);
      if (event !== undefined) await onEvent(event);
    }
  }
}

const tailBytes = 16 * 1024;

/** Keeps the end of what a stream brings. */
function tailOf(stream: Readable | null): () => Printed {
  let tail = Buffer.alloc(0);
  let byteCount = 0;
  stream?.on("data", (piece: Buffer) => {
    byteCount += piece.length;
    tail = Buffer.concat([tail, piece.subarray(-tailBytes)]).subarray(-tailBytes);
  });
  return () => ({ text: tail.toString("utf8"), droppedBytes: byteCount - tail.length });
}

/** Starts a devnet in a process of its own, so that the nodes' work is not counted as, or slowed by, that of the caller. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ContainerLedger, DevnetOptions, DevnetView, LedgerCall, StopOptions } from "./contract.js";
import { DevnetError } from "./errors.js";
import type { FaultName } from "./faults.js";
import { readContainerLedger, readLedger } from "./ledger.js";
import type { FromDevnet, Request, ToDevnet } from "./process-messages.js";

/** How long a process may take to close its sockets and its ledger; with a Docker Engine, also to remove containers. */
const endTimeoutMs = { simulated: 3_000, docker: 60_000 } as const;

export interface DevnetProcess extends DevnetView {
  readonly pid: number;
  /** The file each call is appended to. Without `ledgerPath` a temporary one, gone after `close`. */
  readonly ledgerPath: string;
  /** Every call recorded so far, read from the file. */
  calls(): Promise<readonly LedgerCall[]>;
  /** Every create and removal recorded so far, read from the file. After `kill`, what had reached the file. */
  containerLedger(): Promise<ContainerLedger>;
  /** @param which its position in `nodes`, or its address */
  node(which: number | string): RemoteNodeControl;
  /** Kills the process (SIGKILL), as a power cut would. The ledger's file stays until `close`. */
  kill(): Promise<void>;
  /** Ends the process and waits until it is gone. */
  close(): Promise<void>;
}

/** As `NodeControl`, over the channel to the process; each rejects with a DevnetError. */
export interface RemoteNodeControl {
  stop(options?: StopOptions): Promise<void>;
  start(): Promise<void>;
  setFault(fault: FaultName | undefined): Promise<void>;
}

/**
 * Starts the process and waits until every node listens. It ends with `close`, or with the calling process.
 *
 * @throws {DevnetError} as `openDevnet`; also if the compiled program is missing or the process ends early
 */
export async function startDevnetProcess(options: DevnetOptions): Promise<DevnetProcess> {
  const program = programPath(import.meta.url);
  const tempFolder =
    options.ledgerPath === undefined ? await mkdtemp(join(tmpdir(), "p2prc-devnet-")) : undefined;
  const ledgerPath = resolve(options.ledgerPath ?? join(tempFolder ?? "", "ledger.jsonl"));
  const child = fork(program, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  let askCount = 0;
  const ask = (request: Request): Promise<void> => askIn(child, ++askCount, request);
  const close = async (): Promise<void> => {
    await endOf(child, endTimeoutMs[options.containers?.docker === undefined ? "simulated" : "docker"]);
    if (tempFolder !== undefined) await rm(tempFolder, { recursive: true, force: true });
  };
  try {
    const view = await openIn(child, { ...options, ledgerPath }, tempFolder);
    return {
      ...view,
      pid: child.pid ?? 0,
      ledgerPath,
      calls: async () => {
        await ask({ kind: "flush" });
        return readLedger(ledgerPath);
      },
      containerLedger: async () => {
        if (!hasEnded(child)) await ask({ kind: "flush" });
        return readContainerLedger(ledgerPath);
      },
      node: (node) => ({
        stop: (stopOptions) => ask({ kind: "stop", node, options: stopOptions }),
        start: () => ask({ kind: "start", node }),
        setFault: (fault) => ask({ kind: "setFault", node, fault }),
      }),
      kill: () => killed(child),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Finds the child's program. A child needs plain JavaScript: run from TypeScript sources, as the tests are, the
 * compiled one is taken.
 */
function programPath(moduleUrl: string): string {
  const program = moduleUrl.endsWith(".ts") ? "../../dist/devnet/main.js" : "./main.js";
  const path = fileURLToPath(new URL(program, moduleUrl));
  if (!existsSync(path)) throw new DevnetError(`${path} is missing: run \`npm run build\` first`);
  return path;
}

async function openIn(
  child: ChildProcess,
  options: DevnetOptions,
  tempFolder: string | undefined,
): Promise<DevnetView> {
  const answer = replyFrom(child, (message) => message.kind !== "done");
  tell(child, { kind: "open", options, tempFolder });
  const message = await answer;
  if (message.kind === "ready") return message.view;
  throw new DevnetError(message.kind === "failed" ? message.message : "the devnet gave no answer");
}

async function askIn(child: ChildProcess, id: number, request: Request): Promise<void> {
  const answer = replyFrom(child, (message) => message.kind === "done" && message.id === id);
  tell(child, { kind: "ask", id, request });
  const message = await answer;
  if (message.kind === "done" && message.error !== undefined) throw new DevnetError(message.error);
}

async function killed(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

function tell(child: ChildProcess, message: ToDevnet): void {
  if (child.connected) child.send(message);
}

/** @throws {DevnetError} the process ends without it */
function replyFrom(child: ChildProcess, isMeant: (message: FromDevnet) => boolean): Promise<FromDevnet> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromDevnet): void => {
      if (isMeant(message)) settle(() => resolve(message));
    };
    const onExit = (): void => settle(() => reject(new DevnetError("the devnet's process has ended")));
    const settle = (finish: () => void): void => {
      child.off("message", onMessage).off("exit", onExit).off("error", onExit);
      finish();
    };
    child.on("message", onMessage).on("exit", onExit).on("error", onExit);
    if (hasEnded(child)) onExit();
  });
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Lets the process complete its ledger and go; one that does not is killed. */
function endOf(child: ChildProcess, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (hasEnded(child) || child.pid === undefined) {
      resolve();
      return;
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    if (child.connected) child.disconnect();
  });
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../src/cli/program.js";
import type { Output } from "../../src/cli/surroundings.js";

/** An output that keeps what is written. */
export class WrittenOutput implements Output {
  out = "";
  err = "";
  readonly stdout = { write: (text: string) => this.#written((this.out += text)) };
  readonly stderr = { write: (text: string) => this.#written((this.err += text)) };
  readonly #onWritten: (output: WrittenOutput) => void;

  constructor(onWritten: (output: WrittenOutput) => void = () => undefined) {
    this.#onWritten = onWritten;
  }

  #written(whole: string): string {
    this.#onWritten(this);
    return whole;
  }
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called after each piece of output. */
  readonly onWritten?: (output: WrittenOutput) => void;
}

/** Runs the program in this process. */
export async function runCli(argv: readonly string[], options: RunOptions): Promise<Ended> {
  const { cwd, env = {}, signal, onWritten } = options;
  const output = new WrittenOutput(onWritten);
  const surroundings = { output, env, cwd, signal: signal ?? new AbortController().signal };
  const code = await runProgram(argv, "1.2.3", surroundings);
  return { code, out: output.out, err: output.err };
}

/** The program in a process of its own, as users start it. */
export class CliProcess {
  out = "";
  err = "";
  readonly child: ChildProcess;
  /** Resolves when it has ended and all its output is read. */
  readonly ended: Promise<Ended>;
  #hasEnded = false;

  constructor(argv: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
    const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    if (!existsSync(program)) throw new Error(`${program} is missing: run \`npm run build\` first`);
    this.child = spawn(process.execPath, [program, ...argv], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...env },
    });
    this.child.stdout?.setEncoding("utf8").on("data", (piece: string) => (this.out += piece));
    this.child.stderr?.setEncoding("utf8").on("data", (piece: string) => (this.err += piece));
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code) => {
        this.#hasEnded = true;
        resolve({ code: code ?? -1, out: this.out, err: this.err });
      });
    });
  }

  /** Waits until one of the outputs has the text. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.out) ?? pattern.exec(this.err);
      if (match !== null) return match;
      if (this.#hasEnded) throw new Error(`ended without ${String(pattern)}: ${this.out}${this.err}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await gone;
  }
}

/** What a test opens; `release` takes it all away again. */
export class CliBench {
  readonly #cleanups: (() => unknown)[] = [];

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "cli-"));
    // A process that a killed one had started may write on for a moment.
    this.defer(() => rm(path, { recursive: true, force: true, maxRetries: 10 }));
    return path;
  }

  start(argv: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): CliProcess {
    const started = new CliProcess(argv, cwd, env);
    this.defer(() => started.kill());
    return started;
  }

  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async release(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

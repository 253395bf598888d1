/** One run of Ansible over some targets that share a rendered playbook. */
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ansibleEnvironment, type ProgramSurroundings } from "./ansible-program.js";
import { BatchReport, type ReportDeps } from "./batch-report.js";
import { inventoryText } from "./inventory.js";
import { pluginLimits } from "./limits.js";
import { killMarked } from "./marked-processes.js";
import { runPlaybook } from "./playbook-process.js";
import type { ReadyTarget } from "./ready-target.js";
import { TargetWatch } from "./target-watch.js";

export interface BatchOptions {
  readonly number: number;
  /** Rendered. */
  readonly playbook: string;
  readonly targets: readonly ReadyTarget[];
}

export interface BatchDeps extends ProgramSurroundings, ReportDeps {
  readonly run: string;
  /** Of the run: `plugin/` is the plugin's copy, `vars.yml` and `ansible.cfg` are there. */
  readonly runFolder: string;
  readonly ansiblePath: string;
  readonly callbackFolder: string;
  readonly pythonInterpreter: string;
  readonly maxConcurrency: number;
  readonly targetTimeoutMs: number;
  /** Called before there is a process that carries the mark: a crash in between must find it. */
  readonly onProcess: (mark: string, containers: readonly string[]) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Runs the batch: every target has its outcome when it resolves. @throws the signal's reason */
export async function runBatch(deps: BatchDeps, batch: BatchOptions): Promise<void> {
  const { clock, runFolder, run, targetTimeoutMs } = deps;
  const mark = `${run}.${batch.number}`;
  const hosts = new Map(batch.targets.map((target, index) => [`host${index + 1}`, target]));
  const inventoryPath = await writeFiles(deps, batch, hosts);
  const report = new BatchReport(hosts, deps);
  const stuck = new AbortController();
  let cancelGrace = (): void => undefined;
  const watch = new TargetWatch({
    clock,
    timeoutMs: targetTimeoutMs,
    onOver: (host) => {
      const target = hosts.get(host);
      if (target === undefined) {
        // A play on this machine has no connection that could be cut.
        stuck.abort(new Error("a play on a host of its own takes too long"));
        return;
      }
      // Its connections only: Ansible takes it for unreachable, and goes on with the others.
      void killMarked(mark, ({ command }) => command.includes(target.login.knownHostsPath));
      cancelGrace();
      cancelGrace = clock.after(pluginLimits.timeoutGraceMs, () => {
        if (report.isBusy(host)) stuck.abort(new Error("Ansible does not let go of a target"));
      });
    },
  });
  try {
    await deps.onProcess(
      mark,
      batch.targets.map(({ container }) => container),
    );
    const end = await runPlaybook({
      program: deps.ansiblePath,
      args: argumentsOf(deps, batch, inventoryPath),
      folder: join(runFolder, `play-${batch.number}`),
      environment: ansibleEnvironment({ ...deps, mark, configPath: join(runFolder, "ansible.cfg") }),
      mark,
      clock,
      signal: AbortSignal.any([deps.signal, stuck.signal]),
      onEvent: async (event) => {
        if (event.kind === "start") watch.begin(event.host);
        if (event.kind === "result") watch.end(event.host);
        watch.noteReader(true);
        await report.tell(event);
        watch.noteReader(false);
      },
    });
    deps.signal.throwIfAborted();
    const isForeignOver = watch.over.some((host) => !hosts.has(host));
    await report.close(end, (host) => isForeignOver || watch.isOver(host));
  } finally {
    watch.close();
    cancelGrace();
  }
}

/** @returns the inventory's path */
async function writeFiles(
  { runFolder, pythonInterpreter }: BatchDeps,
  { number, playbook }: BatchOptions,
  hosts: ReadonlyMap<string, ReadyTarget>,
): Promise<string> {
  const folder = join(runFolder, `play-${number}`);
  await mkdir(folder, { mode: 0o700 });
  for (const name of await readdir(join(runFolder, "plugin"))) {
    if (name !== "site.yml") await symlink(join("..", "plugin", name), join(folder, name));
  }
  await writeFile(join(folder, "site.yml"), playbook, { mode: 0o600, flag: "wx" });
  const inventory = [...hosts].map(([alias, { login }]) => ({ ...login, alias }));
  const path = join(runFolder, `inventory-${number}.yml`);
  await writeFile(path, inventoryText(inventory, pythonInterpreter), { mode: 0o600, flag: "wx" });
  return path;
}

function argumentsOf(
  { runFolder, maxConcurrency }: BatchDeps,
  { targets }: BatchOptions,
  inventoryPath: string,
): string[] {
  const forks = Math.min(targets.length, maxConcurrency);
  return [
    "--inventory",
    inventoryPath,
    "--extra-vars",
    `@${join(runFolder, "vars.yml")}`,
    "--forks",
    String(forks),
    "site.yml",
  ];
}

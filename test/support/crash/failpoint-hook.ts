/** Loaded before a program of the test build (`node --import`): kills it where it is told to. */
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FailpointName } from "../../../src/system/failpoint.js";
import { type HookOrder, type KillPlan, type Landing, roleOf } from "./kill-plan.js";

const order = JSON.parse(process.env["P2PRC_TEST_KILL"] ?? "{}") as HookOrder;
const { landingPath, planPath, syncedPath } = order;
const passed: Record<string, number> = {};
let plan: KillPlan | undefined = order.plan;
let hits = 0;

function land(name: FailpointName, file: Landing["file"]): void {
  writeFileSync(landingPath, JSON.stringify({ name, file, passed } satisfies Landing));
  // The kernel ends every thread before this call returns.
  process.kill(process.pid, "SIGKILL");
}

(globalThis as { p2prcFailpoint?: unknown }).p2prcFailpoint = (
  name: FailpointName,
  subject: string,
): void => {
  const file = roleOf(subject);
  const label = file === "" ? name : `${name} ${file}`;
  passed[label] = (passed[label] ?? 0) + 1;
  if (plan === undefined || (plan.name !== undefined && plan.name !== name)) return;
  if (plan.file !== undefined && plan.file !== file) return;
  hits += 1;
  if (hits !== plan.hit) return;
  // The client of Redis writes what it was given in this turn; who waits for the next one is behind it in the line.
  if (plan.delayMs === undefined && name === "commit.sent") setImmediate(() => land(name, file));
  else if (plan.delayMs === undefined) land(name, file);
  else setTimeout(() => land(name, file), plan.delayMs);
};

if (planPath !== undefined) {
  process.on("SIGUSR2", () => {
    plan = (JSON.parse(readFileSync(planPath, "utf8")) as Pick<HookOrder, "plan">).plan;
    hits = 0;
  });
}
if (syncedPath !== undefined) await followJournal(syncedPath);

/**
 * A killed process loses nothing that it wrote; a machine without power does. What of the local journal is on the disk is
 * written down, so that the rest can be taken away as a power cut would.
 */
async function followJournal(path: string): Promise<void> {
  const some = await open(process.execPath);
  const handles = Object.getPrototypeOf(some) as FileHandle;
  await some.close();
  const noteSize = async (handle: FileHandle): Promise<void> => {
    if (readlinkSync(`/proc/self/fd/${String(handle.fd)}`).endsWith("/seen.journal"))
      writeFileSync(path, String((await handle.stat()).size));
  };
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the handle below
  const { datasync, truncate } = handles;
  handles.datasync = async function (this: FileHandle): Promise<void> {
    await datasync.call(this);
    await noteSize(this);
  };
  handles.truncate = async function (this: FileHandle, length?: number): Promise<void> {
    await truncate.call(this, length);
    await noteSize(this);
  };
}

/** Loaded before a program of the test build (`node --import`): kills it where it is told to. */
import { writeFileSync } from "node:fs";
import type { FailpointName } from "../../../src/system/failpoint.js";
import { type HookOrder, type Landing, roleOf } from "./kill-plan.js";

const { plan, landingPath } = JSON.parse(process.env["P2PRC_TEST_KILL"] ?? "{}") as HookOrder;
const passed: Record<string, number> = {};
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
  if (plan.delayMs === undefined) land(name, file);
  else setTimeout(() => land(name, file), plan.delayMs);
};

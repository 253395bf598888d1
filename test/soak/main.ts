/**
 * The long version of the crash proof and of other suites: `npm run soak`. Says its seed; `--seed` repeats one.
 *
 * Time is compressed: thousands of kills in an hour or two, not the hours between them. What only real time brings
 * (certificates that expire, a disk that fills up over weeks) is not met here.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { crashBackends } from "../support/crash/backends.js";
import type { BugName } from "../support/crash/bugs.js";
import { describeReport, type Report, runCampaign } from "../support/crash/campaign.js";
import { runFleetCampaign } from "../support/crash/fleet/fleet-campaign.js";
import type { FleetBugName } from "../support/crash/fleet/fleet-bugs.js";
import { fleetCases, fleetViolations } from "../support/crash/fleet/fleet-planted.js";
import { runGatewayCampaign } from "../support/crash/gateway-campaign.js";
import { plantedCases, violationsOf } from "../support/crash/planted.js";
import { labelsOf } from "../support/crash/targets.js";

const { values } = parseArgs({
  options: {
    /** Of the small process, on each kind of store. */
    kills: { type: "string", default: "2000" },
    /** Of the whole gateway, on each kind of store. */
    "gateway-kills": { type: "string", default: "100" },
    /** Rounds of gateways that share a Redis; each kills some, Redis, and connections. */
    "fleet-rounds": { type: "string", default: "200" },
    /** Rounds of such gateways in which Redis loses what it has confirmed, two of three. */
    "loss-rounds": { type: "string", default: "90" },
    /** @default one of chance */
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
    /** Only this kind of store. */
    backend: { type: "string", default: "" },
    /** Only the kills. */
    "kills-only": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`npm run soak -- [flags]
  --kills N          of the small process, on each kind of store; 0 = none (2000)
  --gateway-kills N  of the whole gateway, on each kind of store (100)
  --fleet-rounds N   of gateways that share a Redis: they, Redis and connections are killed (200)
  --loss-rounds N    of the same, and Redis is flushed, or a replica that lags takes over (90)
  --seed N           as an earlier run said it
  --backend NAME     only this kind of store: LMDB, Redis
  --kills-only       no planted bugs, no long suites`);
  process.exit(0);
}
const seed = Number(values.seed);
const root = fileURLToPath(new URL("../..", import.meta.url));
const note = (line: string): void => console.log(`[${new Date().toISOString()}] ${line}`);
const failures: string[] = [];

/** Long versions of suites that are short under `npm test`, by what makes them long. */
const longSuites: readonly (readonly [suite: string, env: Readonly<Record<string, string>>])[] = [
  ["test/integration/tracking-files-rounds.test.ts", { TRACKING_ROUNDS: "500" }],
  ["test/integration/tracking-files-large.test.ts", { TRACKING_ENTRIES: "100000" }],
];

const counts = ["kills", "gateway-kills", "fleet-rounds", "loss-rounds"] as const;
const words = counts.map((name) => `--${name} ${values[name]}`).join(" ");
note(`seed ${seed}: npm run soak -- --seed ${seed} ${words} repeats it`);
const backends = crashBackends.filter(({ name }) => values.backend === "" || name === values.backend);
for (const backend of values.kills === "0" ? [] : backends) {
  const lanes = availableParallelism();
  const report = await runCampaign({ backend, seed, kills: Number(values.kills), lanes, note });
  const missed = labelsOf(backend).filter((label) => !report.landings.has(label));
  judge(`${backend.name}, small process`, report, missed);
}
for (const backend of backends) {
  const kills = Number(values["gateway-kills"]);
  judge(`${backend.name}, whole gateway`, await runGatewayCampaign({ backend, seed, kills, note }), []);
}
for (const { end } of crashBackends) await end();
if (backends.some(({ isShared }) => isShared)) {
  const rounds = Number(values["fleet-rounds"]);
  judge("fleet", await runFleetCampaign({ seed, rounds, isLong: true, note }), []);
  const lossRounds = Number(values["loss-rounds"]);
  const losing = { seed, rounds: lossRounds, isLong: true, losesState: true, note };
  judge("fleet, state lost", await runFleetCampaign(losing), []);
  if (!values["kills-only"]) await plantFleetBugs();
}
const [embedded] = crashBackends;
if (embedded !== undefined && !values["kills-only"]) await plantBugs(embedded);
if (!values["kills-only"]) for (const [suite, env] of longSuites) await runSuite(suite, env);
note(
  failures.length === 0 ? "soak: nothing found" : `soak: ${failures.length} failed: ${failures.join("; ")}`,
);
process.exitCode = failures.length === 0 ? 0 : 1;

function judge(what: string, report: Report, missed: readonly string[]): void {
  console.log(`=== ${what}, seed ${seed}\n${describeReport(report)}`);
  if (report.violations.length > 0) failures.push(`${what}: ${report.violations.length} violations`);
  if (report.survivors.length > 0) failures.push(`${what}: ${report.survivors.length} kills never landed`);
  if (missed.length > 0) failures.push(`${what}: nothing was killed at ${missed.join(", ")}`);
}

async function plantBugs(backend: (typeof crashBackends)[number]): Promise<void> {
  const names = Object.keys(plantedCases) as BugName[];
  const missed: string[] = [];
  for (const bug of names) {
    const found = await violationsOf(bug, backend);
    if (!found.some(({ invariant }) => invariant === plantedCases[bug].catches)) missed.push(bug);
  }
  console.log(`=== planted bugs: ${names.length - missed.length} of ${names.length} caught`);
  for (const bug of missed) failures.push(`not caught: a gateway that ${bug}`);
}

/** Each is caught, and what catches it finds nothing where it is not. */
async function plantFleetBugs(): Promise<void> {
  const names = Object.keys(fleetCases) as FleetBugName[];
  for (const name of names) {
    const found = await fleetViolations(name, name);
    const isCaught = found.some(({ invariant }) => fleetCases[name].catches.includes(invariant));
    if (!isCaught) failures.push(`not caught: gateways of which each ${name}`);
    const without = await fleetViolations(name, undefined);
    if (without.length > 0) failures.push(`found without a bug: ${without[0]?.what ?? ""} (${name})`);
  }
  console.log(`=== planted bugs of fleets: ${names.length} tried`);
}

async function runSuite(suite: string, env: Readonly<Record<string, string>>): Promise<void> {
  const options = ["--experimental-vm-modules", "--no-warnings"];
  const jest = fileURLToPath(new URL("../../node_modules/jest/bin/jest.js", import.meta.url));
  const child = spawn(process.execPath, [...options, jest, "--testTimeout=600000", suite], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) failures.push(suite);
}

/**
 * Measures the gateway: `npm run bench`, or `npm run bench -- --quick` to see that it runs. `--only NAME`, which may be
 * repeated, runs that one only. Prints a table, then JSON. Ratios against a floor or a peer of the same run; medians; no
 * verdict. What could not run is named.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { benchBandwidthBudget, benchDownloadRate } from "./bandwidth.js";
import { benchConcurrentCommits } from "./concurrent-commits.js";
import { benchContainerChanges } from "./container-changes.js";
import { benchChain, benchLargeCrawl } from "./crawls.js";
import { benchContainerList, benchForeignEdits, benchRestart } from "./large-state.js";
import { benchLargeTable } from "./large-table.js";
import { benchPlugins } from "./plugins.js";
import { benchRedisGateways } from "./redis-gateways.js";
import { benchRedisMemory } from "./redis-memory.js";
import { benchRedisStore } from "./redis-store.js";
import { benchRoundTrips } from "./round-trips.js";
import { benchSharedCrawl } from "./shared-crawl.js";
import { benchStalls } from "./stalls.js";
import { benchStartUp } from "./start-up.js";
import { benchStore } from "./store.js";
import { type BenchRow, formatRows } from "./table.js";
import { benchWatchers } from "./watchers.js";

/** Returns its rows, or why it could not run. */
type Bench = (isQuick: boolean) => Promise<BenchRow | readonly BenchRow[] | string>;

const runsOf = (isQuick: boolean): number => (isQuick ? 1 : 3);
const trackedOf = (isQuick: boolean): number => (isQuick ? 2_000 : 100_000);

const benches: Readonly<Record<string, Bench>> = {
  "start-up": (isQuick) => benchStartUp(isQuick ? 1 : 5),
  crawl: (isQuick) => benchLargeCrawl(isQuick ? 100 : 1_000, runsOf(isQuick)),
  chain: (isQuick) => benchChain(isQuick ? 3 : 10, runsOf(isQuick)),
  "shared-crawl": (isQuick) => benchSharedCrawl(isQuick ? 20 : 100, isQuick ? 10 : 100, runsOf(isQuick)),
  "large-table": (isQuick) => benchLargeTable(isQuick ? 1_000 : 10_000, isQuick ? 10 : 200),
  "hostile-table": (isQuick) => benchStalls(runsOf(isQuick)),
  "bandwidth-budget": (isQuick) => benchBandwidthBudget(isQuick ? 1 : 20),
  "download-rate": async (isQuick) => {
    const rows: BenchRow[] = [];
    for (const lineMbps of isQuick ? [200] : [100, 1_000]) {
      const row = await benchDownloadRate(lineMbps, runsOf(isQuick));
      if (row === undefined) return "curl is missing";
      rows.push(row);
    }
    return rows;
  },
  "round-trips": (isQuick) => benchRoundTrips(isQuick ? 50 : 1_000, isQuick ? 1 : 5),
  store: (isQuick) => benchStore(isQuick ? 1_000 : 100_000, isQuick ? 1 : 5),
  "redis-memory": (isQuick) => benchRedisMemory(isQuick ? 1_000 : 100_000),
  "redis-store": (isQuick) => benchRedisStore(isQuick ? 1_000 : 100_000, isQuick ? 1 : 5),
  "redis-gateways": (isQuick) => benchRedisGateways(isQuick ? 50 : 500, runsOf(isQuick), isQuick ? 1 : 4),
  "container-changes": (isQuick) => benchContainerChanges(trackedOf(isQuick), isQuick ? 10 : 300),
  "concurrent-commits": (isQuick) => benchConcurrentCommits(256, isQuick ? 1 : 10),
  "container-list": (isQuick) => benchContainerList(trackedOf(isQuick), isQuick ? 5 : 50),
  restart: (isQuick) => benchRestart(trackedOf(isQuick), isQuick ? 1 : 5),
  "foreign-edits": (isQuick) =>
    isQuick ? Promise.resolve("takes over half a minute") : benchForeignEdits(trackedOf(isQuick), 3),
  plugins: async (isQuick) =>
    (await benchPlugins(isQuick ? 4 : 20, runsOf(isQuick))) ??
    "Ansible is missing: scripts/install-e2e.sh ansible",
  watchers: (isQuick) => benchWatchers(isQuick ? 100 : 1_000, isQuick ? 20 : 200, 20, runsOf(isQuick)),
};

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string", multiple: true } },
});
const names = options.only ?? Object.keys(benches);
const unknown = names.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  process.stderr.write(`no bench ${unknown.join(", ")}; there are ${Object.keys(benches).join(", ")}\n`);
  process.exit(2);
}

const rows: BenchRow[] = [];
const notRun: string[] = [];
for (const name of names) {
  const result = (await benches[name]?.(options.quick)) ?? [];
  if (typeof result === "string") notRun.push(`${name} (${result})`);
  else rows.push(...[result].flat());
}
process.stdout.write(`${formatRows(rows)}\n\n`);
for (const name of notRun) process.stdout.write(`not run: ${name}\n`);
process.stdout.write(
  `${JSON.stringify({ node: process.version, cores: cpus().length, isQuick: options.quick, rows, notRun })}\n`,
);

/**
 * Measures the gateway: `npm run bench`, or `npm run bench -- --quick` to see that it runs. Prints a table, then JSON.
 * Ratios against a floor or a peer of the same run; medians; no verdict. What could not run is named.
 */
import { cpus } from "node:os";
import { benchBandwidthBudget, benchDownloadRate } from "./bandwidth.js";
import { benchChain, benchLargeCrawl } from "./crawls.js";
import { benchLargeTable } from "./large-table.js";
import { benchPlugins } from "./plugins.js";
import { benchRedisStore } from "./redis-store.js";
import { benchRoundTrips } from "./round-trips.js";
import { benchSharedCrawl } from "./shared-crawl.js";
import { benchStalls } from "./stalls.js";
import { benchStartUp } from "./start-up.js";
import { benchStore } from "./store.js";
import { type BenchRow, formatRows } from "./table.js";

const isQuick = process.argv.includes("--quick");
const runs = isQuick ? 1 : 3;
const rates: (BenchRow | undefined)[] = [];
for (const lineMbps of isQuick ? [200] : [100, 1_000]) rates.push(await benchDownloadRate(lineMbps, runs));
const plugins = await benchPlugins(isQuick ? 4 : 20, runs);
const rows = [
  ...(await benchStartUp(isQuick ? 1 : 5)),
  ...(await benchLargeCrawl(isQuick ? 100 : 1_000, runs)),
  await benchChain(isQuick ? 3 : 10, runs),
  ...(await benchSharedCrawl(isQuick ? 20 : 100, isQuick ? 10 : 100, runs)),
  ...(await benchLargeTable(isQuick ? 1_000 : 10_000, isQuick ? 10 : 200)),
  await benchStalls(runs),
  await benchBandwidthBudget(isQuick ? 1 : 20),
  ...rates.filter((row) => row !== undefined),
  await benchRoundTrips(isQuick ? 50 : 1_000, isQuick ? 1 : 5),
  ...(await benchStore(isQuick ? 1_000 : 100_000, isQuick ? 1 : 5)),
  ...(await benchRedisStore(isQuick ? 1_000 : 100_000, isQuick ? 1 : 5)),
  ...(plugins ?? []),
];
const notRun = [
  ...(rates.includes(undefined) ? ["measured download against curl (curl is missing)"] : []),
  ...(plugins === undefined ? ["plugins (Ansible is missing: scripts/install-e2e.sh ansible)"] : []),
];
process.stdout.write(`${formatRows(rows)}\n\n`);
for (const name of notRun) process.stdout.write(`not run: ${name}\n`);
process.stdout.write(
  `${JSON.stringify({ node: process.version, cores: cpus().length, isQuick, rows, notRun })}\n`,
);

/**
 * Measures the gateway: `npm run bench`, or `npm run bench -- --quick` to see that it runs. Prints a table, then JSON.
 * Ratios against a floor or a peer of the same run; medians; no verdict.
 */
import { cpus } from "node:os";
import { benchChain, benchLargeCrawl } from "./crawls.js";
import { benchRoundTrips } from "./round-trips.js";
import { benchStartUp } from "./start-up.js";
import { formatRows } from "./table.js";

const isQuick = process.argv.includes("--quick");
const runs = isQuick ? 1 : 3;
const rows = [
  ...(await benchStartUp(isQuick ? 1 : 5)),
  ...(await benchLargeCrawl(isQuick ? 100 : 1_000, runs)),
  await benchChain(isQuick ? 3 : 10, runs),
  await benchRoundTrips(isQuick ? 50 : 1_000, isQuick ? 1 : 5),
];
process.stdout.write(`${formatRows(rows)}\n\n`);
process.stdout.write(`${JSON.stringify({ node: process.version, cores: cpus().length, isQuick, rows })}\n`);

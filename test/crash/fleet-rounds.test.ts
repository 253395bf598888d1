/**
 * The promise where gateways share a Redis: gateways and Redis killed, connections cut, files edited, all at once.
 * `CRASH_SEED` for another seed; `npm run soak -- --fleet-rounds N` for more.
 */
import { expect, it } from "@jest/globals";
import { describeReport } from "../support/crash/campaign.js";
import { runFleetCampaign } from "../support/crash/fleet/fleet-campaign.js";

const seed = Number(process.env["CRASH_SEED"] ?? 1);

it("a fleet keeps its promise in 4 rounds", async () => {
  const report = await runFleetCampaign({ seed, rounds: 4 });
  console.log(`seed ${seed}, ${describeReport(report)}`);
  expect(report.violations).toEqual([]);
  expect(report.exposure.get("all")).toBeGreaterThan(0);
  expect(report.exposure.get("gateway came back")).toBeGreaterThan(0);
}, 600_000);

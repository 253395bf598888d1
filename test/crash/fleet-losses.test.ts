/**
 * The promise where gateways share a Redis that loses what it has confirmed: it is flushed, and replicas that lag take over,
 * several times in one life. `CRASH_SEED` for another seed; `npm run soak -- --loss-rounds N` for more.
 */
import { expect, it } from "@jest/globals";
import { describeReport } from "../support/crash/campaign.js";
import { runFleetCampaign } from "../support/crash/fleet/fleet-campaign.js";

const seed = Number(process.env["CRASH_SEED"] ?? 1);

it("a fleet keeps its promise in 2 rounds in which Redis loses what it has confirmed", async () => {
  const report = await runFleetCampaign({ seed, rounds: 2, losesState: true });
  console.log(`seed ${seed}, ${describeReport(report)}`);
  expect(report.violations).toEqual([]);
  const { exposure } = report;
  expect((exposure.get("redis flushed") ?? 0) + (exposure.get("redis failed over") ?? 0)).toBeGreaterThan(1);
}, 600_000);

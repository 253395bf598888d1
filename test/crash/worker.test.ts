/**
 * The promise under kill -9: a store, the room of containers and real nodes, killed at every failpoint and at random.
 * `CRASH_SEED` for another seed; `npm run soak` for 2,000 kills.
 */
import { afterAll, describe, expect, it } from "@jest/globals";
import { crashBackends } from "../support/crash/backends.js";
import { describeReport, runCampaign } from "../support/crash/campaign.js";
import { labelsOf } from "../support/crash/targets.js";

const seed = Number(process.env["CRASH_SEED"] ?? 1);

afterAll(async () => {
  for (const { end } of crashBackends) await end();
});

describe.each(crashBackends)("the state in $name", (backend) => {
  it(`keeps its promise in ${backend.killsInCi} kills`, async () => {
    const report = await runCampaign({ backend, seed, kills: backend.killsInCi, lanes: 2 });
    console.log(`seed ${seed}, ${describeReport(report)}`);
    expect(report.violations).toEqual([]);
    expect(report.survivors).toEqual([]);
    const missed = labelsOf(backend).filter((label) => !report.landings.has(label));
    expect(missed).toEqual([]);
    expect(report.exposure.get("a creation without outcome")).toBeGreaterThan(0);
    expect(report.exposure.get("a removal without outcome")).toBeGreaterThan(0);
    expect(report.exposure.get("a file half replaced")).toBeGreaterThan(0);
  }, 1_200_000);
});

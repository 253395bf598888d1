/** The promise under kill -9 of the whole gateway, with callers and watchers over the wire. */
import { rmSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { crashBackends } from "../support/crash/backends.js";
import { describeReport } from "../support/crash/campaign.js";
import { runGatewayCampaign } from "../support/crash/gateway-campaign.js";
import { startGateway } from "../support/crash/gateways.js";
import { violationsIn } from "../support/crash/invariants/index.js";
import { makeTestBuild } from "../support/crash/test-build.js";
import { World } from "../support/crash/world.js";

const seed = Number(process.env["CRASH_SEED"] ?? 1);
const [embedded] = crashBackends;

afterAll(async () => {
  for (const { end } of crashBackends) await end();
});

describe.each(crashBackends)("the whole gateway with its state in $name", (backend) => {
  it("keeps its promise in 10 kills", async () => {
    const report = await runGatewayCampaign({ backend, seed, kills: 10 });
    console.log(`seed ${seed}, ${describeReport(report)}`);
    expect(report.violations).toEqual([]);
    expect(report.survivors).toEqual([]);
    expect(report.exposure.get("calls under way")).toBeGreaterThan(0);
  }, 600_000);
});

describe("the whole gateway", () => {
  it("does not share its folder, and the checker would see it if it did", async () => {
    const build = await makeTestBuild();
    const world = await World.make(embedded!);
    const order = { landingPath: world.landingPath };
    const first = await startGateway(world, build, order);
    try {
      expect(await startGateway(world, build, order)).toBeUndefined();
      // As if nobody had looked whether the socket is served.
      rmSync(first!.socketPath);
      const second = await startGateway(world, build, order);
      second?.child.kill("SIGKILL");
      await second?.ended;
    } finally {
      first?.child.kill("SIGKILL");
      await first?.ended;
    }
    const found = violationsIn(await world.look("killed"));
    expect(found.map(({ invariant }) => invariant)).toEqual(["I8"]);
    await world.destroy();
  }, 120_000);
});

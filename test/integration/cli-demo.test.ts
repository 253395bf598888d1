/** The containers of the demo, on networks where something is not as it should be. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { showContainers } from "../../src/cli/demo-containers.js";
import { connectToUrl } from "../../src/cli/session.js";
import { CliBench, WrittenOutput } from "../support/cli.js";
import { type GatewayOnDevnetOptions, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";

const bench = new CliBench();
afterEach(() => bench.release());

/** @param trackingFolder where the tracking files are looked for; the gateway's own by default */
async function show(
  options: GatewayOnDevnetOptions,
  trackingFolder?: string,
): Promise<{ shown: Promise<void>; output: WrittenOutput }> {
  const gateway = await openGatewayOnDevnet({
    ...options,
    devnet: { nodes: 4, shape: "mesh", firstAddress: "127.0.35.1", dialects: ["2026-01"], ...options.devnet },
  });
  bench.defer(() => gateway.close());
  const session = connectToUrl(gateway.url);
  bench.defer(() => session.close());
  const { client } = session;
  const { nodes } = gateway.devnet;
  for (const { address } of nodes) await client.addNode({ address });
  const folder = trackingFolder ?? join(gateway.baseDir, "client/trackcontainers");
  const paths = {
    trackContainersPath: join(folder, "trackcontainers.json"),
    groupTrackContainersPath: join(folder, "grouptrackcontainers.json"),
  };
  const output = new WrittenOutput();
  const surroundings = { output, env: {}, cwd: "/", signal: new AbortController().signal };
  const nearest = nodes.map(({ address }) => `nodes/${address}`);
  return { shown: showContainers(client, gateway.devnet, nearest, paths, surroundings), output };
}

describe("the containers of the demo", () => {
  it("are well where the network is", async () => {
    const { shown, output } = await show({});
    await shown;
    expect(output.out).toMatch(/ MODIFIED group groups\/\S+ 2 members, -nodes\/127\.0\.35\.1:/);
    expect(output.out).not.toMatch(/password/i);
  });

  it("are a failure where too few nodes run any", async () => {
    const { shown } = await show({ devnet: { dialects: ["2021-03-21", "2021-06"], port: 8088 } });
    await expect(shown).rejects.toThrow("fewer than three nodes run containers");
  });

  it("are a failure where a node does not remove its container", async () => {
    const { shown } = await show({
      prepare: (_, devnet) => {
        devnet.node(0).setFault("status500-remove");
        return Promise.resolve();
      },
    });
    await expect(shown).rejects.toThrow("the node did not remove the container");
  });

  it("are a failure where a tracking file that is there tells something else", async () => {
    const elsewhere = await bench.folder();
    await writeFile(join(elsewhere, "trackcontainers.json"), '{"TrackContainer":[{"ID":"stale"}]}');
    await writeFile(join(elsewhere, "grouptrackcontainers.json"), '{"Groups":[]}');
    const { shown } = await show({}, elsewhere);
    await expect(shown).rejects.toThrow(
      /\/trackcontainers\.json: stale in place of .*; .*\.json: none in place of /,
    );
  });
});

/** Containers on a real Docker Engine, from a foreign client to a shell in the container and back to nothing. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CliBench } from "../support/cli.js";
import {
  containersOnEngine,
  type EngineEntry,
  makeSshKey,
  overSsh,
  requireEngineSocket,
} from "../support/docker-engine.js";
import { type GatewayOnDevnet, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { requireAnsiblePath } from "../support/plugin-bench.js";
import { writeMarkPlugin } from "../support/plugin-folder.js";
import { type Call, callsTo, streamsOf } from "./grpcurl-calls.js";

interface Made {
  readonly container: { readonly name: string; readonly id: string };
  readonly access: { readonly host: string; readonly sshPort: number; readonly sshUsername: string };
}

/** The answer of GetContainer. */
interface Shown extends Record<string, unknown> {
  readonly container: {
    readonly ports: readonly { name: string; internalPort: number; externalPort: number }[];
  };
}

const bench = new CliBench();
let gateway: GatewayOnDevnet;
let call: Call;
let nodes: readonly string[];

beforeEach(async () => {
  const docker = { socketPath: requireEngineSocket() };
  gateway = await openGatewayOnDevnet({
    env: { PATH: requireAnsiblePath() },
    devnet: {
      nodes: 2,
      shape: "mesh",
      dialects: ["2026-01"],
      firstAddress: "127.0.60.1",
      containers: { docker },
    },
  });
  bench.defer(() => gateway.close());
  call = callsTo(gateway.url);
  nodes = gateway.devnet.nodes.map(({ address }) => address);
  for (const address of nodes) await call("AddNode", { address });
});

afterEach(() => bench.release());

const onEngine = async (): Promise<readonly EngineEntry[]> =>
  (await Promise.all(nodes.map(containersOnEngine))).flat();
const namesOnEngine = async (): Promise<readonly string[]> =>
  (await onEngine()).map(({ name }) => name).sort();
const create = async (node: string | undefined, spec: object): Promise<Made> =>
  (await call("CreateContainer", { node, spec })) as unknown as Made;
const gatewayKey = (): string => join(gateway.baseDir, ".p2prc/id_ed25519");
const loginOf = ({ access }: Made, privateKeyPath = gatewayKey()): Parameters<typeof overSsh>[0] => ({
  host: access.host,
  port: access.sshPort,
  user: access.sshUsername,
  privateKeyPath,
});

/** Ids that the gateway lists, and that each tracking file holds once it has followed. */
async function idsEverywhere(group: string): Promise<Record<string, readonly string[]>> {
  const listed = (await call("ListContainers", {})) as { containers?: readonly { id: string }[] };
  const folder = join(gateway.baseDir, "client/trackcontainers");
  const tracked = JSON.parse(await readFile(join(folder, "trackcontainers.json"), "utf8")) as {
    TrackContainer: readonly { ID: string }[] | null;
  };
  const groups = JSON.parse(await readFile(join(folder, "grouptrackcontainer.json"), "utf8")) as {
    Groups: readonly { ID: string; TrackContainer: readonly { ID: string }[] | null }[] | null;
  };
  const ids = (list: readonly { ID: string }[] | null | undefined): readonly string[] =>
    (list ?? []).map(({ ID }) => ID).sort();
  return {
    listed: (listed.containers ?? []).map(({ id }) => id).sort(),
    tracked: ids(tracked.TrackContainer),
    grouped: ids(groups.Groups?.find(({ ID }) => group === `groups/${ID}`)?.TrackContainer),
    alive: gateway.devnet.ledger.creates
      .flatMap(({ id, removedAt }) => (id === undefined || removedAt !== undefined ? [] : [id]))
      .sort(),
    onEngine: await namesOnEngine(),
  };
}

/** The files follow a commit within a fraction of a second. @returns the last that was seen, right or not */
async function settled(
  group: string,
  expected: readonly string[],
): Promise<Record<string, readonly string[]>> {
  for (let look = 0; ; look++) {
    const seen = await idsEverywhere(group).catch(() => ({}));
    const isRight = Object.values(seen).every((ids) => ids.join() === expected.join());
    if ((isRight && Object.keys(seen).length > 0) || look === 100) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const everywhere = (ids: readonly string[]): Record<string, readonly string[]> => ({
  listed: ids,
  tracked: ids,
  grouped: ids,
  alive: ids,
  onEngine: ids,
});

describe("containers on a Docker Engine", () => {
  it("run, are logged in to with both keys, are grouped, and leave nothing behind", async () => {
    const callerKey = join(await bench.folder(), "caller");
    const sshPublicKey = await makeSshKey(callerKey);
    const [first, second] = nodes;
    const made = await Promise.all([
      create(first, { portCount: 1, sshPublicKey }),
      create(first, { portCount: 1 }),
      create(second, { portCount: 1 }),
    ]);
    const names = made.map(({ container }) => container.name);
    for (const container of names) {
      const wait = await call("WaitContainer", {
        container,
        condition: "CONDITION_SSH_READY",
        timeout: "50s",
      });
      expect(wait).toMatchObject({ met: true });
    }

    const [ofCaller, ofGateway] = made;
    const hosts = await Promise.all(made.map((one) => overSsh(loginOf(one), "id -un; cat /etc/hostname")));
    expect(hosts.map((text) => text.split("\n")[0])).toEqual(["root", "root", "root"]);
    expect(new Set(hosts).size).toBe(3);
    await expect(overSsh(loginOf(ofCaller, callerKey), "id -un")).resolves.toBe("root\n");
    await expect(overSsh(loginOf(ofGateway, callerKey), "id -un")).rejects.toMatchObject({
      stderr: expect.stringContaining("Permission denied (publickey"),
    });

    const { group } = (await call("CreateGroup", { containers: names })) as { group: { name: string } };
    const ids = made.map(({ container }) => container.id).sort();
    expect(await settled(group.name, ids)).toEqual(everywhere(ids));

    await writeMarkPlugin(gateway.baseDir, "mark");
    const events = await streamsOf(gateway.url)("RunPlugin", { plugin: "mark", group: group.name });
    const finished = events.flatMap((event) => ("finished" in event ? [event["finished"]] : []));
    expect(finished).toHaveLength(3);
    expect(events.at(-1)).toMatchObject({ summary: { succeededCount: 3 } });
    for (const one of made) {
      const { container } = (await call("GetContainer", { container: one.container.name })) as Shown;
      const asked = container.ports.find(({ name }) => name === "AutoGen Port");
      // What the plugin took is in use from now on.
      expect(asked).toMatchObject({ used: true });
      expect(await overSsh(loginOf(one), "cat /etc/mark")).toBe(`port ${String(asked?.internalPort)}\n`);
    }
    expect(await settled(group.name, ids)).toEqual(everywhere(ids));

    const removed = await call("RemoveGroup", { group: group.name, removeContainers: true });
    expect(removed).toMatchObject({ removed: true });
    expect(await settled(group.name, [])).toEqual(everywhere([]));
  });

  it("are reached through a port that their node maps", async () => {
    const one = await create(nodes[0], {});
    const { name } = one.container;
    await call("WaitContainer", { container: name, condition: "CONDITION_SSH_READY", timeout: "50s" });
    const mapped = (await call("MapPort", { container: name, port: 22 })) as { host: string; port: number };
    expect(mapped.port).not.toBe(one.access.sshPort);
    await expect(overSsh({ ...loginOf(one), ...mapped }, "id -un")).resolves.toBe("root\n");
  });

  it("publish what is asked for: the port that was told leads to what listens inside", async () => {
    const one = await create(nodes[0], { portCount: 1 });
    const { container } = (await call("GetContainer", { container: one.container.name })) as Shown;
    const asked = container.ports.find(({ name }) => name === "AutoGen Port");
    expect(asked).toMatchObject({ internalPort: asked?.externalPort });
    const wait = { container: one.container.name, timeout: "50s" };
    await call("WaitContainer", { ...wait, condition: "CONDITION_SSH_READY" });
    const serve = `nohup python3 -m http.server ${String(asked?.internalPort)} --directory /etc/ssh >/dev/null 2>&1 &`;
    await overSsh(loginOf(one), serve);
    const externalPort = asked?.externalPort;
    expect(
      await call("WaitContainer", { ...wait, condition: "CONDITION_HTTP_OK", externalPort }),
    ).toMatchObject({ met: true });
  });

  it("are rolled back when their creation is answered with status 500", async () => {
    gateway.devnet.node(0).setFault("status500-told-create");
    await expect(create(nodes[0], {})).rejects.toMatchObject({
      stderr: expect.stringContaining("CREATE_ROLLED_BACK"),
    });
    expect(gateway.devnet.ledger.creates).toMatchObject([{ isTold: true, removedAt: expect.any(String) }]);
    expect(await onEngine()).toEqual([]);
    expect(await call("ListContainers", {})).not.toHaveProperty("containers");
  });

  it("are unresolved when a GPU is asked for that the engine lacks: one is left, and nobody is told its id", async () => {
    await expect(create(nodes[0], { gpu: true })).rejects.toMatchObject({
      stderr: expect.stringMatching(/"intent"[^]*NODE_REFUSED_REQUEST/),
    });
    expect(await onEngine()).toMatchObject([{ state: "created" }]);
    expect(await call("ListContainers", {})).toMatchObject({ containers: [{ state: "STATE_UNKNOWN" }] });
  });

  it("are none when the base image cannot be built upon", async () => {
    await expect(create(nodes[0], { baseImage: "nobody/has:this" })).rejects.toMatchObject({
      stderr: expect.stringContaining("NODE_REFUSED_REQUEST"),
    });
    expect(await onEngine()).toEqual([]);
    expect(await call("ListContainers", {})).not.toHaveProperty("containers");
  });

  it("are gone with the devnet that made them", async () => {
    await Promise.all([create(nodes[0], {}), create(nodes[1], {})]);
    expect(await onEngine()).toHaveLength(2);
    await gateway.devnet.close();
    expect(await onEngine()).toEqual([]);
  });
});

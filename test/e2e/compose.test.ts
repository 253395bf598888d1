/** docker-compose.yml as users start it: two gateways, their Redis, and nodes in the network of the gateways. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { ComposeProject, docker, type GatewayName, gateways, until } from "../support/compose-project.js";

const project = await ComposeProject.open();
let node: string;

beforeAll(async () => {
  await project.compose("up", "--build", "--detach");
}, 540_000);

afterAll(async () => {
  await project.down();
});

beforeEach(async () => {
  await project.settle();
  node = await project.nodeAddress();
  for (const gateway of gateways) await call(gateway, "AddNode", { address: node });
});

afterEach(async () => {
  await project.settle();
  for (const { name, state } of await containersOn("gateway-a"))
    await call("gateway-a", "RemoveContainer", { container: name, forgetOnly: state === "STATE_UNKNOWN" });
});

interface Listed {
  readonly name: string;
  readonly id?: string;
  readonly state: string;
}

const call = (gateway: GatewayName, method: string, request: object) =>
  project.callsTo(gateway)(method, request);

async function create(gateway: GatewayName, requestId: string): Promise<Listed> {
  const request = { node, spec: { portCount: 1 }, requestId };
  return (await call(gateway, "CreateContainer", request))["container"] as Listed;
}

async function containersOn(gateway: GatewayName): Promise<readonly Listed[]> {
  return ((await call(gateway, "ListContainers", {}))["containers"] ?? []) as readonly Listed[];
}

const showsOn = async (gateway: GatewayName, name: string, state: string): Promise<boolean> =>
  (await containersOn(gateway)).some((one) => one.name === name && one.state === state);

/** Ids in the two tracking files of a gateway's volume. */
async function idsInFiles(gateway: GatewayName): Promise<readonly [tracked: string, grouped: string]> {
  const read = async (name: string): Promise<string> => {
    const path = `/data/client/trackcontainers/${name}.json`;
    // It is not there before the first write, which follows a commit by a moment.
    const text = await project.execute(gateway, "cat", path).catch((error: unknown) => {
      if (!(error as { stderr?: string }).stderr?.includes("No such file")) throw error;
      return "";
    });
    return [...text.matchAll(/"ID": "([^"]+)"/g)].map(([, id]) => id).join();
  };
  return [await read("trackcontainers"), await read("grouptrackcontainer")];
}

async function untilInFiles(id: string, group: string): Promise<void> {
  for (const gateway of gateways)
    await until(async () => {
      const [tracked, grouped] = await idsInFiles(gateway);
      return tracked.includes(id) && grouped.includes(id) && grouped.includes(group);
    });
}

describe("two gateways of docker-compose.yml", () => {
  it("create, show, watch and remove a container as one", async () => {
    const watched = await project.watch("gateway-b");
    const made = await create("gateway-a", "as-one");
    await until(() => watched.text.includes(made.name) && watched.text.includes("STATE_ACTIVE"));
    await until(() => showsOn("gateway-b", made.name, "STATE_ACTIVE"));
    const access = await call("gateway-b", "GetContainerAccess", { container: made.name });
    expect(access).toEqual(await call("gateway-a", "GetContainerAccess", { container: made.name }));
    const wait = { container: made.name, condition: "CONDITION_SSH_READY" };
    expect(await call("gateway-b", "WaitContainer", wait)).toMatchObject({ met: true });
    const again = { node, spec: { portCount: 1 }, requestId: "as-one" };
    expect(await call("gateway-b", "CreateContainer", again)).toMatchObject({
      replayed: true,
      container: { name: made.name },
    });
    expect((await project.ledger()).creates.filter(({ id }) => id === made.id)).toHaveLength(1);

    const { group } = await call("gateway-b", "CreateGroup", { containers: [made.name] });
    await untilInFiles(made.id ?? "", (group as { id: string }).id);

    expect(await call("gateway-b", "RemoveContainer", { container: made.name })).toMatchObject({
      nodeMessage: "success",
    });
    await until(async () => (await containersOn("gateway-a")).length === 0);
    await until(() => watched.text.includes("STATE_REMOVED"));
    watched.end();
    for (const gateway of gateways)
      await until(async () => !(await idsInFiles(gateway)).join().includes(made.id ?? ""));
    expect((await project.ledger()).creates.find(({ id }) => id === made.id)).toHaveProperty("removedAt");
  });

  it("know of a creation whose gateway was killed, and never ask the node for it again", async () => {
    const before = (await project.ledger()).creates.length;
    await project.docker(["pause"], "nodes");
    const cut = create("gateway-a", "killed");
    cut.catch(() => undefined);
    await until(async () => (await containersOn("gateway-b")).some(({ state }) => state === "STATE_PENDING"));
    await project.docker(["kill", "--signal", "KILL"], "gateway-a");
    await expect(cut).rejects.toHaveProperty("stderr");
    await until(async () => (await containersOn("gateway-b")).some(({ state }) => state === "STATE_UNKNOWN"));
    await project.docker(["unpause"], "nodes");
    const outcomeIsUnknown = { stderr: expect.stringContaining("CREATE_OUTCOME_UNKNOWN") };
    await expect(create("gateway-b", "killed")).rejects.toMatchObject(outcomeIsUnknown);
    await project.settle();
    await expect(create("gateway-a", "killed")).rejects.toMatchObject(outcomeIsUnknown);
    expect(await containersOn("gateway-a")).toMatchObject([{ state: "STATE_UNKNOWN" }]);
    expect((await project.ledger()).creates.length - before).toBeLessThanOrEqual(1);
    // And the one that is left goes on.
    expect(await create("gateway-b", "after")).toMatchObject({ state: "STATE_ACTIVE" });
  });

  it("keep what was confirmed when Redis is killed, and confirm nothing without it", async () => {
    const made = await create("gateway-a", "before-redis");
    await until(() => showsOn("gateway-b", made.name, "STATE_ACTIVE"));
    await project.docker(["kill", "--signal", "KILL"], "redis");
    await expect(create("gateway-b", "without-redis")).rejects.toMatchObject({
      stderr: expect.stringContaining("STATE_STORE_UNAVAILABLE"),
    });
    expect(await showsOn("gateway-a", made.name, "STATE_ACTIVE")).toBe(true);
    for (const gateway of gateways) {
      await until(async () => (await project.health(gateway)) === "NOT_SERVING");
      const check = project.execute(gateway, "node", "scripts/container-health.mjs");
      await expect(check).rejects.toMatchObject({ code: 1, stdout: "NOT_SERVING\n" });
    }
    await project.docker(["start"], "redis");
    await project.settle();
    for (const gateway of gateways) expect(await showsOn(gateway, made.name, "STATE_ACTIVE")).toBe(true);
    expect(await create("gateway-b", "with-redis")).toMatchObject({ state: "STATE_ACTIVE" });
  });

  it("have all of it back when they and Redis are killed at once", async () => {
    const made = await create("gateway-a", "before-power-cut");
    const all = await Promise.all((["redis", ...gateways] as const).map((one) => project.containerOf(one)));
    await docker("kill", "--signal", "KILL", ...all);
    await project.settle();
    // Of request ids the tracking files know nothing: only Redis can have kept it.
    const again = { node, spec: { portCount: 1 }, requestId: "before-power-cut" };
    expect(await call("gateway-b", "CreateContainer", again)).toMatchObject({
      replayed: true,
      container: { name: made.name },
    });
  });

  it("have their state back after `down` and `up`", async () => {
    const made = await create("gateway-a", "before-down");
    const { group } = await call("gateway-a", "CreateGroup", { containers: [made.name] });
    const { id } = group as { id: string };
    await untilInFiles(made.id ?? "", id);
    const earlier = await Promise.all(gateways.map((gateway) => project.containerOf(gateway)));
    await project.compose("down");
    await project.compose("up", "--detach");
    await project.settle();
    for (const gateway of gateways) {
      expect(earlier).not.toContain(await project.containerOf(gateway));
      expect(await showsOn(gateway, made.name, "STATE_ACTIVE")).toBe(true);
      expect(await call(gateway, "GetGroup", { group: `groups/${id}` })).toMatchObject({
        containers: [{ name: made.name }],
      });
    }
    await untilInFiles(made.id ?? "", id);
    // Its node has forgotten it with its own container.
    await call("gateway-b", "RemoveContainer", { container: made.name, forgetOnly: true });
  });

  it("stop in order: a creation under way is answered first", async () => {
    expect(await project.inspect("gateway-a", "{{.Config.StopTimeout}}")).toBe("60");
    await project.docker(["pause"], "nodes");
    const made = create("gateway-a", "stopped");
    await until(async () => (await containersOn("gateway-b")).some(({ state }) => state === "STATE_PENDING"));
    const stopped = project.docker(["stop"], "gateway-a");
    await until(async () => (await project.health("gateway-a")) === "NOT_SERVING");
    await project.docker(["unpause"], "nodes");
    const { name } = await made;
    await stopped;
    expect(await project.inspect("gateway-a", "{{.State.ExitCode}}")).toBe("0");
    await until(() => showsOn("gateway-b", name, "STATE_ACTIVE"));
  });

  it("are healthy, and have no rights that they do not need", async () => {
    for (const [service, user] of [
      ["redis", "999"],
      ["gateway-a", "10001"],
      ["gateway-b", "10001"],
    ] as const) {
      await until(async () => (await project.inspect(service, "{{.State.Health.Status}}")) === "healthy");
      expect(await project.execute(service, "id", "-u")).toBe(`${user}\n`);
      const status = await project.execute(service, "cat", "/proc/self/status");
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      const scratch = project.execute(service, "touch", "/tmp/scratch");
      await expect(scratch).rejects.toMatchObject({
        stderr: expect.stringContaining("Read-only file system"),
      });
    }
  });

  it("are published on loopback only, and Redis not at all", async () => {
    const published = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}}{{end}}{{end}}";
    expect(await project.inspect("redis", published)).toBe("");
    for (const gateway of gateways) expect(await project.inspect(gateway, published)).toBe("127.0.0.1");
  });

  it("log in to Redis with a password that no description of a container holds", async () => {
    const password = (await project.execute("gateway-a", "cat", "/run/secrets/redis-password")).trim();
    expect(password).toMatch(/^[0-9a-f]{64}$/);
    expect(await project.execute("redis", "redis-cli", "ping")).toContain("NOAUTH");
    for (const service of ["redis", ...gateways] as const) {
      expect(await project.docker(["inspect"], service)).not.toContain(password);
      expect(await project.docker(["top"], service)).not.toContain(password);
      expect(await project.docker(["logs"], service)).not.toContain(password);
    }
  });

  it("are spoken to by the command line inside", async () => {
    const made = await create("gateway-a", "command-line");
    expect(await project.execute("gateway-a", "p2prc", "containers")).toContain(made.id);
  });
});

describe("the image", () => {
  const imageName = (): Promise<string> => project.inspect("gateway-a", "{{.Image}}");

  it("holds the release, and nothing that builds or tests it", async () => {
    const inside = async (...argv: string[]): Promise<string> =>
      await docker(
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        argv[0] ?? "",
        await imageName(),
        ...argv.slice(1),
      );
    expect((await inside("ls", "/app")).trim().split("\n")).toEqual([
      "ansible",
      "dist",
      "node_modules",
      "package.json",
      "proto",
      "scripts",
    ]);
    const lock = JSON.parse(await inside("cat", "/app/node_modules/.package-lock.json")) as {
      packages: Record<string, { dev?: boolean }>;
    };
    expect(lock.packages).toHaveProperty("node_modules/redis");
    expect(Object.keys(lock.packages).filter((path) => lock.packages[path]?.dev === true)).toEqual([]);
    expect(await inside("find", "/app/dist", "-name", "*failpoint*")).toBe("");
  });

  it("runs by itself, as process 1, and ends with code 0 when it is stopped", async () => {
    const confined = ["--read-only", "--cap-drop", "ALL", await imageName()];
    const container = (await docker("run", "--detach", ...confined)).trim();
    try {
      const check = ["exec", container, "node", "scripts/container-health.mjs"];
      await until(() =>
        docker(...check).then(
          (text) => text === "SERVING\n",
          () => false,
        ),
      );
      expect(await docker("exec", container, "cat", "/proc/1/cmdline")).toContain("dist/cli/main.js");
      await docker("stop", container);
      expect(await docker("inspect", "--format", "{{.State.ExitCode}}", container)).toBe("0\n");
    } finally {
      await docker("rm", "--force", "--volumes", container);
    }
  });
});

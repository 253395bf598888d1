/** The Docker runtime of a devnet on an engine that only notes what it is asked for. */
import { describe, expect, it } from "@jest/globals";
import type { DockerEngine, EngineContainer } from "../../src/devnet/docker-engine.js";
import { createDockerRuntime } from "../../src/devnet/docker-runtime.js";
import { startCommand } from "../../src/devnet/docker-start.js";
import { type GenerationName, generations } from "../../src/devnet/docker-vm.js";
import { DevnetError } from "../../src/devnet/errors.js";
import type { Runtime } from "../../src/devnet/runtime.js";
import { readOrder, readQuery, type StartOrder } from "../../src/devnet/start-query.js";

type StartOutcome = Awaited<ReturnType<DockerEngine["start"]>>;

class NotingEngine implements DockerEngine {
  readonly made: EngineContainer[] = [];
  readonly alive = new Set<string>();
  /** Of the starts to come; then all run. */
  readonly outcomes: StartOutcome[] = [];
  /** Resolves when a start may go on. */
  gate: Promise<void> = Promise.resolve();

  create(container: EngineContainer): Promise<string> {
    this.made.push(container);
    const engineId = String(this.made.length).padStart(64, "0");
    this.alive.add(engineId);
    return Promise.resolve(engineId);
  }

  async start(): Promise<StartOutcome> {
    await this.gate;
    return this.outcomes.shift() ?? "running";
  }

  kill(): Promise<void> {
    return Promise.resolve();
  }

  remove(engineId: string): Promise<boolean> {
    return Promise.resolve(this.alive.delete(engineId));
  }
}

const key = Buffer.from("ssh-ed25519 AAAA caller\n").toString("base64");

function open(
  name: GenerationName,
  query = "",
): { engine: NotingEngine; runtime: Runtime; order: StartOrder } {
  const engine = new NotingEngine();
  const generation = generations[name];
  const runtime = createDockerRuntime({
    engine,
    generation,
    host: "127.0.0.1",
    isProxied: false,
    sshDelayMs: 0,
    devnetId: "devnet-1",
    address: "127.0.0.1:8088",
  });
  const order = readOrder(
    generation,
    readQuery(`/startcontainer?PublicKey=${encodeURIComponent(key)}&${query}`),
  );
  return { engine, runtime, order };
}

describe("a container on a Docker Engine", () => {
  it("is named by its id, labelled, and published where the node listens", async () => {
    const { engine, runtime, order } = open("2023-12", "ports=1");
    const { vm, state } = await runtime.create(order);
    const [ssh, asked] = vm.ports;
    expect(state).toBe("running");
    expect(engine.made).toMatchObject([
      {
        name: vm.id,
        image: "",
        labels: { "p2prc.devnet": "devnet-1", "p2prc.devnet.node": "127.0.0.1:8088" },
        host: "127.0.0.1",
        ports: [
          { internal: 22, external: ssh?.external },
          { internal: asked?.external, external: asked?.external },
        ],
        wantsGpu: false,
      },
    ]);
    expect(engine.made[0]?.command.at(-1)).toBe("ssh-ed25519 AAAA caller\n");
  });

  it.each<[GenerationName, string, RegExp]>([
    ["2021-07", "", /^0{63}1$/],
    ["2021-07", "GPU=true", /^[0-9A-Za-z]{22}$/],
    ["2023-08", "", /^[0-9A-Za-z]{22}$/],
  ])("has as %s with %j an id like %s", async (name, query, shape) => {
    const { runtime, order } = open(name, query);
    expect((await runtime.create(order)).vm.id).toMatch(shape);
  });

  it("takes other ports where somebody was faster, and leaves nothing of the first try", async () => {
    const { engine, runtime, order } = open("2023-12");
    engine.outcomes.push("portTaken");
    expect((await runtime.create(order)).state).toBe("running");
    expect(engine.made).toHaveLength(2);
    expect(engine.alive.size).toBe(1);
  });

  it("is given up with nothing left where every port is taken", async () => {
    const { engine, runtime, order } = open("2023-12");
    engine.outcomes.push(...Array.from({ length: 9 }, () => "portTaken" as const));
    await expect(runtime.create(order)).rejects.toThrow(DevnetError);
    expect(engine.alive.size).toBe(0);
  });

  it("stays, in state created, where Docker cannot start it", async () => {
    const { engine, runtime, order } = open("2023-12", "GPU=true");
    engine.outcomes.push("failed");
    const { state, vm } = await runtime.create(order);
    expect([state, engine.made[0]?.wantsGpu, engine.alive.size]).toEqual(["created", true, 1]);
    expect(await runtime.remove(vm.id)).toBe(true);
    expect(engine.alive.size).toBe(0);
  });

  it("is removed by the id that was told, once for each container of that id", async () => {
    const { engine, runtime, order } = open("2023-12");
    await runtime.create(order, "twin");
    await runtime.create(order, "twin");
    // No engine gives two containers one name.
    expect(engine.made.map(({ name }) => name)).toEqual(["", ""]);
    const removed = [
      await runtime.remove("twin"),
      await runtime.remove("twin"),
      await runtime.remove("twin"),
    ];
    expect(removed).toEqual([true, true, false]);
    expect(engine.alive.size).toBe(0);
  });

  it("does not outlive its devnet, also when it was being made as that closed", async () => {
    const { engine, runtime, order } = open("2023-12");
    let goOn!: () => void;
    engine.gate = new Promise((resolve) => (goOn = resolve));
    const making = runtime.create(order);
    const closing = runtime.close();
    goOn();
    await Promise.all([making, closing]);
    expect([engine.made.length, engine.alive.size]).toEqual([1, 0]);
  });
});

describe("the command of a container", () => {
  it("has what a stranger sent as an argument, never as a part of its script", () => {
    const publicKey = "$(touch owned)'\"; touch owned\n";
    const [shell, flag, script, ...args] = startCommand({ publicKey, takesKey: true, sshDelayMs: 1_500 });
    expect([shell, flag]).toEqual(["/bin/sh", "-c"]);
    expect(script).not.toContain("owned");
    expect(args).toEqual(["start", "1.5", publicKey]);
  });

  it("lets in root with keys, or, as versions without them had it, master with a password", () => {
    const scriptOf = (takesKey: boolean): string =>
      startCommand({ publicKey: "", takesKey, sshDelayMs: 0 })[2] ?? "";
    expect(scriptOf(true)).toContain("authorized_keys");
    expect(scriptOf(true)).not.toContain("master");
    expect(scriptOf(false)).toContain("master:password");
    expect(scriptOf(false)).not.toContain("authorized_keys");
  });
});

/** The containers of one node, run by a real Docker Engine. */

import { portCountOf, recordOf } from "./container-plan.js";
import { openContainerSockets } from "./container-sockets.js";
import type { DockerEngine } from "./docker-engine.js";
import { startCommand } from "./docker-start.js";
import type { VmRecord } from "./docker-vm.js";
import { DevnetError } from "./errors.js";
import type { Container, Runtime, RuntimeOptions } from "./runtime.js";
import type { StartOrder } from "./start-query.js";

export interface DockerRuntimeOptions extends RuntimeOptions {
  readonly engine: DockerEngine;
  /** Of the devnet, unlike any other. */
  readonly devnetId: string;
  /** Of the node, `HOST:PORT`. */
  readonly address: string;
}

/** Labels of every container of a devnet: by the first one all of them are found. */
const devnetLabel = "p2prc.devnet";
const nodeLabel = "p2prc.devnet.node";

/** Somebody may take a port between our look and the engine's. */
const portPicks = 5;

interface Kept {
  readonly container: Container;
  readonly engineId: string;
}

export function createDockerRuntime(options: DockerRuntimeOptions): Runtime {
  const { engine } = options;
  // By id, which a test may have repeated.
  const kept = new Map<string, readonly Kept[]>();
  const making = new Set<Promise<unknown>>();
  let isClosed = false;
  const remove = async (id: string): Promise<boolean> => {
    const [first, ...others] = kept.get(id) ?? [];
    if (first === undefined) return false;
    if (others.length === 0) kept.delete(id);
    else kept.set(id, others);
    return await engine.remove(first.engineId);
  };
  const create = async (order: StartOrder, id: string | undefined): Promise<Container> => {
    const { vm, engineId, state } = await run(options, order, id);
    const container: Container = { vm, state, createdAt: new Date().toISOString() };
    kept.set(vm.id, [...(kept.get(vm.id) ?? []), { container, engineId }]);
    if (isClosed) await remove(vm.id);
    return container;
  };
  return {
    get containers() {
      return [...kept.values()].flat().map(({ container }) => container);
    },
    create: async (order, id) => {
      const made = create(order, id);
      making.add(made);
      try {
        return await made;
      } finally {
        making.delete(made);
      }
    },
    remove,
    halt: async () => {
      const all = [...kept.values()].flat();
      for (const [id, list] of kept) kept.set(id, list.map(exited));
      await Promise.all(all.map(({ engineId }) => engine.kill(engineId)));
    },
    close: async () => {
      isClosed = true;
      await Promise.allSettled(making);
      await Promise.all([...kept].flatMap(([id, list]) => list.map(() => remove(id))));
    },
  };
}

const exited = ({ container, engineId }: Kept): Kept => ({
  container: container.state === "running" ? { ...container, state: "exited" } : container,
  engineId,
});

interface Run {
  readonly vm: VmRecord;
  readonly engineId: string;
  readonly state: "running" | "created";
}

/** Makes and starts one: with other ports where somebody else was faster. */
async function run(options: DockerRuntimeOptions, order: StartOrder, id: string | undefined): Promise<Run> {
  const { engine, host } = options;
  for (let pick = 1; ; pick++) {
    // Held until the container is made: else two that are made at once would find the same ports free.
    const held = await openContainerSockets({ host, portCount: portCountOf(order, options), sshDelayMs: 0 });
    let made: Omit<Run, "state">;
    try {
      made = await make(options, order, recordOf(order, held.ports, options, id), id === undefined);
    } finally {
      await held.close();
    }
    const outcome = await engine.start(made.engineId);
    if (outcome === "running") return { ...made, state: "running" };
    // As with `docker run`: what could not be started stays.
    if (outcome === "failed") return { ...made, state: "created" };
    await engine.remove(made.engineId);
    if (pick === portPicks) throw new DevnetError("somebody else takes every port that was free");
  }
}

/** @param isOwnId whether the id is one that Docker could have given, as a name or as its own */
async function make(
  { engine, devnetId, address, host, sshDelayMs, generation }: DockerRuntimeOptions,
  order: StartOrder,
  vm: VmRecord,
  isOwnId: boolean,
): Promise<Omit<Run, "state">> {
  const isNamed = isOwnId && (generation.runsDockerCommand === true || order.gpu === "true");
  const engineId = await engine.create({
    name: isNamed ? vm.id : "",
    image: order.baseImage,
    command: startCommand({
      publicKey: vm.publicKey,
      takesKey: generation.reads.includes("PublicKey"),
      sshDelayMs,
    }),
    labels: { [devnetLabel]: devnetId, [nodeLabel]: address },
    host,
    ports: [...vm.ports, ...(vm.vncPort === 0 ? [] : [{ internal: vncInside, external: vm.vncPort }])],
    wantsGpu: order.gpu === "true",
  });
  // Nodes of before 2023-08 tell Docker's own id of what they made, unless it has a GPU.
  return { vm: isOwnId && !isNamed ? { ...vm, id: engineId } : vm, engineId };
}

const vncInside = 5901;

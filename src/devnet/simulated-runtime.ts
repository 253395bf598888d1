/** The containers of one node: what Docker does there, without Docker. */

import { somePort } from "./container-ids.js";
import { portCountOf, recordOf } from "./container-plan.js";
import { type ContainerSockets, openContainerSockets } from "./container-sockets.js";
import { BuildError, type Container, type Runtime, type RuntimeOptions } from "./runtime.js";

export interface SimulatedRuntimeOptions extends RuntimeOptions {
  /** Whether the ports of containers are open. Without, they are numbers that lead nowhere. */
  readonly listens: boolean;
  readonly hasGpu: boolean;
}

interface Kept {
  readonly container: Container;
  readonly sockets: ContainerSockets | undefined;
}

export function createSimulatedRuntime(options: SimulatedRuntimeOptions): Runtime {
  // By id, which a test may have repeated.
  const kept = new Map<string, readonly Kept[]>();
  let isClosed = false;
  const remove = async (id: string): Promise<boolean> => {
    const [first, ...others] = kept.get(id) ?? [];
    if (first === undefined) return false;
    if (others.length === 0) kept.delete(id);
    else kept.set(id, others);
    await first.sockets?.close();
    return true;
  };
  return {
    get containers() {
      return [...kept.values()].flat().map(({ container }) => container);
    },
    create: async (order, id) => {
      // A name that lets tests and demos ask for a build that fails.
      if (order.baseImage.includes("does-not-build")) throw new BuildError("the image cannot be built");
      // Docker makes the container before it finds that there is no GPU for it.
      const state = order.gpu === "true" && !options.hasGpu ? "created" : "running";
      const portCount = portCountOf(order, options);
      const sockets =
        options.listens && state === "running"
          ? await openContainerSockets({ host: options.host, portCount, sshDelayMs: options.sshDelayMs })
          : undefined;
      const external = sockets?.ports ?? Array.from({ length: portCount }, somePort);
      const vm = recordOf(order, external, options, id);
      const container: Container = { vm, state, createdAt: new Date().toISOString() };
      kept.set(vm.id, [...(kept.get(vm.id) ?? []), { container, sockets }]);
      if (isClosed) await remove(vm.id);
      return container;
    },
    remove,
    halt: async () => {
      const open = [...kept.values()].flat().flatMap(({ sockets }) => sockets ?? []);
      for (const [id, list] of kept) kept.set(id, list.map(exited));
      await Promise.all(open.map((sockets) => sockets.close()));
    },
    close: async () => {
      isClosed = true;
      const all = [...kept.values()].flat();
      kept.clear();
      await Promise.all(all.flatMap(({ sockets }) => sockets?.close() ?? []));
    },
  };
}

const exited = ({ container }: Kept): Kept => ({
  container: container.state === "running" ? { ...container, state: "exited" } : container,
  sockets: undefined,
});

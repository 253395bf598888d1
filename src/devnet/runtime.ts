/** The containers of one node: what Docker does there, without Docker. */

import { at } from "./at.js";
import { imageTag, longId, shortId, somePort } from "./container-ids.js";
import { type ContainerSockets, openContainerSockets } from "./container-sockets.js";
import type { Generation, VmPort, VmRecord } from "./docker-vm.js";
import type { StartOrder } from "./start-query.js";

export interface Container {
  readonly vm: VmRecord;
  /** `created`: Docker made it and could not start it. `exited`: the machine was off since. */
  readonly state: "running" | "created" | "exited";
  /** When it was made: ISO 8601, UTC. */
  readonly createdAt: string;
}

export interface CreateOptions {
  readonly state: "running" | "created";
  /** @default one of its own */
  readonly id?: string | undefined;
}

export interface Runtime {
  /** Oldest first. */
  readonly containers: readonly Container[];
  /** Resolves once its ports listen. @throws {DevnetError} a port cannot be bound */
  create(order: StartOrder, options: CreateOptions): Promise<Container>;
  /** Resolves once its ports are free. @returns false if there is no such container */
  remove(id: string): Promise<boolean>;
  /** Closes the ports of all containers, which stay, as a machine that is switched off. */
  halt(): Promise<void>;
  /** Removes every container, also those that are being made. */
  close(): Promise<void>;
}

export interface RuntimeOptions {
  readonly host: string;
  readonly generation: Generation;
  /** Reached through an FRP proxy: ports are others outside than inside. */
  readonly isProxied: boolean;
  /** Whether the ports of containers are open. Without, they are numbers that lead nowhere. */
  readonly listens: boolean;
  readonly sshDelayMs: number;
}

const defaultImage = "docker-ubuntu-sshd";

/** Ports that images state in their ports.json, SSH among them; names may repeat. */
const imagePorts: Readonly<Record<string, readonly (readonly [name: string, internal: number])[]>> = {
  "blender-gpu": [
    ["SSH", 22],
    ["NoVNC", 6080],
    ["NoVNC", 6081],
  ],
};

interface Kept {
  readonly container: Container;
  readonly sockets: ContainerSockets | undefined;
}

export function createRuntime(options: RuntimeOptions): Runtime {
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
    create: async (order, { state, id }) => {
      const plan = planPorts(order);
      const listens = options.listens && state === "running";
      const portCount = plan.length + (options.generation.hasVnc === true ? 1 : 0);
      const sockets = listens
        ? await openContainerSockets({ host: options.host, portCount, sshDelayMs: options.sshDelayMs })
        : undefined;
      const external = sockets?.ports ?? Array.from({ length: portCount }, somePort);
      const vm = recordOf(order, external, { ...options, id });
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

type PlannedPort = Pick<VmPort, "name" | "isUsed" | "description"> & {
  /** @default the same as outside */
  readonly internal?: number;
};

/** SSH comes first: what listens there differs. */
function planPorts(order: StartOrder): readonly PlannedPort[] {
  const ofImage = imagePorts[imageOf(order)] ?? [["SSH", 22]];
  const asked = { name: "AutoGen Port", isUsed: false, description: "Auto generated TCP port" };
  return [
    ...ofImage.map(([name, internal]) => ({ name, internal, isUsed: true, description: `${name} Port` })),
    ...Array.from({ length: order.portCount }, () => asked),
  ];
}

function recordOf(
  order: StartOrder,
  external: readonly number[],
  { generation, isProxied, id }: RuntimeOptions & { readonly id: string | undefined },
): VmRecord {
  const plan = planPorts(order);
  const isShort = generation.runsDockerCommand === true || order.gpu === "true";
  const tagName = order.containerName === "" ? "p2p-ubuntu" : order.containerName;
  return {
    id: id ?? (isShort ? shortId() : longId()),
    folder: imageOf(order),
    tagName: generation.runsDockerCommand === true ? imageTag(tagName) : tagName,
    ports: plan.map((port, position) => {
      const outside = at(external, position);
      return { ...port, internal: port.internal ?? (isProxied ? somePort() : outside), external: outside };
    }),
    vncPort: generation.hasVnc === true ? at(external, plan.length) : 0,
    gpu: order.gpu,
    baseImage: order.baseImage,
    publicKey: order.publicKey,
  };
}

const imageOf = ({ containerName }: StartOrder): string =>
  containerName === "" ? defaultImage : containerName;

/** What a container is to be like, before anybody runs it: its ports, its ids, its record. */

import { at } from "./at.js";
import { imageTag, longId, shortId, somePort } from "./container-ids.js";
import type { VmPort, VmRecord } from "./docker-vm.js";
import type { RuntimeOptions } from "./runtime.js";
import type { StartOrder } from "./start-query.js";

const defaultImage = "docker-ubuntu-sshd";

/** Ports that images state in their ports.json, SSH among them; names may repeat. */
const imagePorts: Readonly<Record<string, readonly (readonly [name: string, internal: number])[]>> = {
  "blender-gpu": [
    ["SSH", 22],
    ["NoVNC", 6080],
    ["NoVNC", 6081],
  ],
};

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

/** How many ports the container needs on its node's address; one for VNC comes last, where the version has it. */
export const portCountOf = (order: StartOrder, { generation }: RuntimeOptions): number =>
  planPorts(order).length + (generation.hasVnc === true ? 1 : 0);

/**
 * Describes the container, now that its ports are known.
 *
 * @param external as many as `portCountOf` says
 * @param id @default one such as its version gives
 */
export function recordOf(
  order: StartOrder,
  external: readonly number[],
  { generation, isProxied }: RuntimeOptions,
  id?: string,
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

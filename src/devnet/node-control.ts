/** What can be done to one node while the devnet runs. */

import type { Connections } from "./connections.js";
import type { NodeControl } from "./contract.js";
import { DevnetError } from "./errors.js";
import { hasFalseTable } from "./faults.js";
import type { Listening } from "./listening.js";
import type { PlannedNode } from "./network.js";
import type { Site } from "./sites.js";

export interface Controlled {
  readonly node: PlannedNode;
  readonly site: Site;
  readonly listening: Listening<PlannedNode>;
  readonly connections: Connections<PlannedNode>;
}

export function createNodeControl({ node, site, listening, connections }: Controlled): NodeControl {
  return {
    address: site.address,
    get isListening() {
      return listening.isOn(node);
    },
    get fault() {
      return site.fault;
    },
    get containers() {
      return site.host?.runtime.containers ?? [];
    },
    stop: async ({ machineToo = false } = {}) => {
      const stopped = listening.stop(node);
      await Promise.all([stopped, connections.cut(node), ...(machineToo ? [site.host?.runtime.halt()] : [])]);
    },
    start: () => listening.start(node),
    setFault: (fault) => {
      if (fault === "refuse" || hasFalseTable(fault))
        throw new DevnetError(`fault ${fault}: only an option can give it to a node`);
      site.fault = fault;
    },
  };
}

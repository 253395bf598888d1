/** Opens a devnet in this process. `devnet-process.ts` opens one in a process of its own. */

import { randomUUID } from "node:crypto";
import { at } from "./at.js";
import { buildBadBodies } from "./bad-bodies.js";
import { createConnections } from "./connections.js";
import type { Devnet, DevnetOptions, NodeControl } from "./contract.js";
import { openDockerEngine } from "./docker-engine.js";
import { DevnetError } from "./errors.js";
import { createHttpServer } from "./http-server.js";
import { openLedger } from "./ledger.js";
import { canListenOnIpv6, listenOnAll } from "./listening.js";
import { drawNetwork, type PlannedNode } from "./network.js";
import { createNodeControl } from "./node-control.js";
import { type CheckedOptions, checkOptions } from "./options.js";
import { createRandom } from "./random.js";
import { buildSites, describeNodes, type SharedEngine, type Site } from "./sites.js";
import { createUploadReader } from "./upload-rows.js";

export type * from "./contract.js";

const chunkBytes = 256 * 1024;

/**
 * Draws a network from the seed and serves it until `close`.
 *
 * @throws {DevnetError} the options contradict each other, an address cannot be bound, the ledger cannot be opened, or no
 * Docker Engine answers where one is to run the containers
 */
export async function openDevnet(options: DevnetOptions): Promise<Devnet> {
  const checked = checkOptions(options);
  const shared = await openSharedEngine(checked);
  const ipv6Available = await canListenOnIpv6();
  const network = drawNetwork({ ...checked, ipv6: ipv6Available ? checked.ipv6 : 0 });
  const ledger = await openLedger(checked.ledgerPath);
  const bodies = buildBadBodies(createRandom(checked.seed));
  const http = createHttpServer({
    options: checked,
    ledger,
    bodies,
    chunk: Buffer.alloc(chunkBytes, bodies.noise),
    readRows: createUploadReader(),
    nameCall: createCallNames(),
    stopNode: ({ address }) => void controlOf(controls, address).stop(),
  });
  const connections = createConnections<PlannedNode>();
  // Filled as soon as the port is known. Nobody has been told it before that: an earlier caller is a stray one.
  const sites = new Map<PlannedNode, Site>();
  const listenable = network.filter((node) => node.fault !== "refuse");
  const listening = await listenOnAll(listenable, checked.port, (socket, node) => {
    connections.add(socket, node);
    const site = sites.get(node);
    if (site === undefined) socket.destroy();
    else http.admit(socket, site);
  }).catch(async (error: unknown) => {
    await ledger.close();
    throw error;
  });
  const { port } = listening;
  const built = buildSites(network, port, { options: checked, nowMs: () => performance.now(), shared });
  const controls = network.map((node, position) => {
    const site = at(built, position);
    sites.set(node, site);
    return createNodeControl({ node, site, listening, connections });
  });
  const nodes = describeNodes(network, port);
  return {
    port,
    ipv6Available,
    nodes,
    entryAddresses: nodes.slice(0, checked.entryNodes).map((node) => node.address),
    ledger,
    node: (which) => controlOf(controls, which),
    close: async () => {
      // Calls that break off here are recorded as their connections close.
      await Promise.all([listening.close(), connections.cut()]);
      await Promise.all(built.flatMap(({ portMaps }) => portMaps?.maps.close() ?? []));
      await Promise.all(built.flatMap(({ host }) => host?.runtime.close() ?? []));
      await ledger.close();
    },
  };
}

async function openSharedEngine({
  containers: { docker },
}: CheckedOptions): Promise<SharedEngine | undefined> {
  if (docker === undefined) return undefined;
  return { engine: await openDockerEngine(docker), devnetId: randomUUID() };
}

/** Names that no other devnet gives, not even one that appends to the same ledger. */
function createCallNames(): () => string {
  const run = randomUUID();
  let count = 0;
  return () => `${run}-${++count}`;
}

function controlOf(controls: readonly NodeControl[], which: number | string): NodeControl {
  const found =
    typeof which === "number" ? controls[which] : controls.find(({ address }) => address === which);
  if (found === undefined) throw new DevnetError(`node ${which}: there is no such node`);
  return found;
}

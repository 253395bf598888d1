/** Opens a devnet in this process. `devnet-process.ts` opens one in a process of its own. */

import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { at } from "./at.js";
import { buildBadBodies } from "./bad-bodies.js";
import type { Devnet, DevnetOptions, NodeControl } from "./contract.js";
import { DevnetError } from "./errors.js";
import { openLedger } from "./ledger.js";
import { canListenOnIpv6, listenOnAll } from "./listening.js";
import { drawNetwork, type PlannedNode } from "./network.js";
import { checkOptions } from "./options.js";
import { createRandom } from "./random.js";
import type { Stage } from "./call.js";
import { serve } from "./serving.js";
import { buildSites, describeNodes, type Site } from "./sites.js";
import { createUploadReader } from "./upload-rows.js";

export type * from "./contract.js";

/** Which node a connection belongs to. */
type SiteBySocket = WeakMap<Socket, Site>;

const chunkBytes = 256 * 1024;

/**
 * Draws a network from the seed and serves it until `close`.
 *
 * @throws {DevnetError} the options contradict each other, an address cannot be bound, or the ledger cannot be opened
 */
export async function openDevnet(options: DevnetOptions): Promise<Devnet> {
  const checked = checkOptions(options);
  const ipv6Available = await canListenOnIpv6();
  const network = drawNetwork({ ...checked, ipv6: ipv6Available ? checked.ipv6 : 0 });
  const ledger = await openLedger(checked.ledgerPath);
  const bodies = buildBadBodies(createRandom(checked.seed));
  const chunk = Buffer.alloc(chunkBytes, bodies.noise);
  const siteBySocket: SiteBySocket = new WeakMap();
  const http = createHttpServer(
    {
      options: checked,
      ledger,
      bodies,
      chunk,
      readRows: createUploadReader(),
      nameCall: createCallNames(),
    },
    siteBySocket,
  );
  /** Open connections, each with what resolves once it is closed. */
  const connections = new Map<Socket, Promise<void>>();
  // Filled as soon as the port is known. Nobody has been told it before that: an earlier caller is a stray one.
  const sites = new Map<PlannedNode, Site>();
  const listenable = network.filter((node) => node.fault !== "refuse");
  const listening = await listenOnAll(listenable, checked.port, (socket, node) => {
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    connections.set(socket, closed);
    void closed.then(() => connections.delete(socket));
    admit(socket, sites.get(node), http, siteBySocket);
  }).catch(async (error: unknown) => {
    await ledger.close();
    throw error;
  });
  const { port } = listening;
  const built = buildSites(network, port, checked, () => performance.now());
  for (const [position, node] of network.entries()) sites.set(node, at(built, position));
  const nodes = describeNodes(network, port);
  return {
    port,
    ipv6Available,
    nodes,
    entryAddresses: nodes.slice(0, checked.entryNodes).map((node) => node.address),
    ledger,
    node: (which) => controlOf(siteOf(built, which)),
    close: async () => {
      const closed = [listening.close(), ...connections.values()];
      for (const socket of connections.keys()) socket.destroy();
      // Calls that break off here are recorded as their connections close.
      await Promise.all(closed);
      await Promise.all(built.flatMap(({ host }) => host?.runtime.close() ?? []));
      await ledger.close();
    },
  };
}

/** Names that no other devnet gives, not even one that appends to the same ledger. */
function createCallNames(): () => string {
  const run = randomUUID();
  let count = 0;
  return () => `${run}-${++count}`;
}

function siteOf(sites: readonly Site[], which: number | string): Site {
  const found = typeof which === "number" ? sites[which] : sites.find(({ address }) => address === which);
  if (found === undefined) throw new DevnetError(`node ${which}: there is no such node`);
  return found;
}

const controlOf = ({ host }: Site): NodeControl => ({
  get containers() {
    return host?.runtime.containers ?? [];
  },
});

/** One HTTP server for all addresses: it never listens itself, its connections are handed to it. */
function createHttpServer(stage: Stage, siteBySocket: SiteBySocket): Server {
  // No time limits, as in Go's server: nodes that hang must be able to.
  const http = createServer(
    { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
    (request, response) => {
      const site = siteBySocket.get(request.socket);
      if (site === undefined) request.socket.destroy();
      else serve(site, request, response, stage);
    },
  );
  http.on("clientError", (_error, socket) => socket.destroy());
  return http;
}

function admit(socket: Socket, site: Site | undefined, http: Server, siteBySocket: SiteBySocket): void {
  if (site === undefined) {
    socket.destroy();
  } else if (site.fault === "reset") {
    socket.resetAndDestroy();
  } else {
    siteBySocket.set(socket, site);
    http.emit("connection", socket);
  }
}

/** Opens a devnet in this process. `devnet-process.ts` opens one in a process of its own. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { at } from "./at.js";
import { buildBadBodies, type BadBodies } from "./bad-bodies.js";
import type { Devnet, DevnetOptions } from "./contract.js";
import { answerOf, type Answer } from "./faults.js";
import { openLedger, type OpenLedger } from "./ledger.js";
import { canListenOnIpv6, listenOnAll } from "./listening.js";
import { drawNetwork } from "./network.js";
import { checkOptions, type CheckedOptions } from "./options.js";
import { createRandom } from "./random.js";
import { readBody } from "./request-body.js";
import { route, type Routed } from "./routes.js";
import { send, statusOf } from "./sending.js";
import { buildSites, describeNodes, type Site } from "./sites.js";
import { createUploadReader, type UploadReader } from "./upload-rows.js";

export type * from "./contract.js";

/** What serving a request takes. */
interface Stage {
  readonly options: CheckedOptions;
  readonly ledger: OpenLedger;
  readonly bodies: BadBodies;
  readonly readRows: UploadReader;
  /** Which node a connection belongs to. */
  readonly sites: WeakMap<Socket, Site>;
}

/**
 * Draws a network from the seed and serves it until `close`.
 *
 * @throws {DevnetError} the options contradict each other, an address cannot be bound, or the ledger cannot be opened
 */
export async function openDevnet(options: DevnetOptions): Promise<Devnet> {
  const checked = checkOptions(options);
  const network = drawNetwork(checked, checked.ipv6 && (await canListenOnIpv6()));
  const ledger = await openLedger(checked.ledgerPath);
  const connections = new Set<Socket>();
  const stage: Stage = {
    options: checked,
    ledger,
    bodies: buildBadBodies(createRandom(checked.seed)),
    readRows: createUploadReader(),
    sites: new WeakMap(),
  };
  const http = createHttpServer(stage);
  // Filled as soon as the port is known. Nobody has been told it before that: an earlier caller is a stray one.
  const siteByHost = new Map<string, Site>();
  const hosts = network.filter((node) => node.fault !== "refuse").map((node) => node.host);
  const listening = await listenOnAll(hosts, checked.port, (socket, host) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    admit(socket, siteByHost.get(host), http, stage);
  }).catch(async (error: unknown) => {
    await ledger.close();
    throw error;
  });
  const sites = buildSites(network, listening.port, checked.seed);
  for (const [position, node] of network.entries()) siteByHost.set(node.host, at(sites, position));
  const nodes = describeNodes(network, listening.port);
  return {
    port: listening.port,
    nodes,
    entryAddresses: nodes.slice(0, checked.entryNodes).map((node) => node.address),
    ledger,
    close: async () => {
      const closed = listening.close();
      for (const socket of connections) socket.destroy();
      await closed;
      await ledger.close();
    },
  };
}

/** One HTTP server for all addresses: it never listens itself, its connections are handed to it. */
function createHttpServer(stage: Stage): Server {
  // No time limits, as in Go's server: nodes that hang must be able to.
  const http = createServer(
    { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
    (request, response) => {
      const site = stage.sites.get(request.socket);
      if (site === undefined) request.socket.destroy();
      else serve(site, request, response, stage);
    },
  );
  http.on("clientError", (_error, socket) => socket.destroy());
  return http;
}

function admit(socket: Socket, site: Site | undefined, http: Server, stage: Stage): void {
  if (site === undefined) {
    socket.destroy();
  } else if (site.fault === "reset") {
    socket.resetAndDestroy();
  } else {
    stage.sites.set(socket, site);
    http.emit("connection", socket);
  }
}

/** Reads the request to its end, writes it into the ledger, and answers after the delay. */
function serve(site: Site, request: IncomingMessage, response: ServerResponse, stage: Stage): void {
  readBody(request, (body) => {
    const { method = "", url: path = "", headers } = request;
    const routed = route(site, { method, path, contentType: headers["content-type"], body });
    const answer = answerOf(site.fault, {
      healthy: routed.reply,
      isExchange: routed.isExchange,
      path,
      bodies: stage.bodies,
      slowDelayMs: stage.options.slowDelayMs,
      otherNode: site.otherNode,
      lies: site.lies,
    });
    stage.ledger.record({
      time: new Date().toISOString(),
      node: site.address,
      method,
      path,
      status: statusOf(answer),
      requestBytes: body.length,
      ...uploadOf(routed, stage),
    });
    sendAfter(stage.options.delayMs + latenessMs(answer), response, answer);
  });
}

const latenessMs = (answer: Answer): number => (answer.kind === "reply" ? (answer.lateByMs ?? 0) : 0);

function uploadOf(
  routed: Routed,
  stage: Stage,
): { rows: readonly unknown[] | null; partBytes: number } | undefined {
  if (routed.upload === undefined) return undefined;
  return { rows: stage.readRows(routed.upload), partBytes: routed.upload.length };
}

function sendAfter(delayMs: number, response: ServerResponse, answer: Answer): void {
  if (delayMs === 0) {
    send(response, answer);
    return;
  }
  const timer = setTimeout(() => {
    if (!response.destroyed) send(response, answer);
  }, delayMs);
  // A closed devnet must not keep its process alive for an answer nobody waits for.
  timer.unref();
}

import { addressKey, isIpLiteral } from "./address.js";
import { removeContainer, requireContainerId, startContainer } from "./container-calls.js";
import type { CallOptions, NodeSpecs, PeerAddress, PeerApi } from "./contract.js";
import { parseImages } from "./images-reply.js";
import { type RouteLimit, routeLimits } from "./limits.js";
import { type NodeAnswer, request, requireOk } from "./node-request.js";
import { mapPort } from "./port-map-call.js";
import { probe, specsPaths } from "./probe.js";
import { blocked, NodeSockets } from "./sockets.js";
import { download, upload } from "./speed-test.js";
import { parseSpecs } from "./specs-reply.js";
import { parseTable } from "./table-reply.js";

/** Opens sockets of its own to call nodes with. Close it. */
export function openPeerApi(): PeerApi {
  const sockets = new NodeSockets();
  const enter: Enter = (address, options) => {
    // A literal can be judged without a socket; a name is judged by the socket, once connected.
    if (isIpLiteral(address) && options.isAllowed?.(address.host) === false) throw blocked();
    sockets.judge(address, options.isAllowed);
  };
  const get = (
    address: PeerAddress,
    path: string,
    limit: RouteLimit,
    options: CallOptions,
  ): Promise<NodeAnswer> => {
    enter(address, options);
    return request(`http://${addressKey(address)}${path}`, sockets, limit, options);
  };
  return {
    async probe(address, options = {}) {
      enter(address, options);
      return await probe(sockets, address, options);
    },
    async exchangeTable(address, form, options = {}) {
      enter(address, options);
      // An exchange is never repeated: it must not meet a connection that the node has closed.
      sockets.renew(address);
      const url = `http://${addressKey(address)}/IpTable`;
      const answer = await request(url, sockets, routeLimits.ipTable, options, { form });
      requireOk(answer);
      return parseTable(answer.body, answer.contentType, answer.elapsedMs);
    },
    async specs(address, options = {}) {
      return await askSpecs((path) => get(address, path, routeLimits.specs, options));
    },
    async images(address, options = {}) {
      const answer = await get(address, "/ShowImages", routeLimits.images, options);
      requireOk(answer);
      return parseImages(answer.body);
    },
    async download(address, options) {
      enter(address, options);
      return await download(`http://${addressKey(address)}/50`, sockets, options);
    },
    async upload(address, options) {
      enter(address, options);
      return await upload(`http://${addressKey(address)}/upload`, sockets, options);
    },
    ...callsWithEffects(sockets, enter),
    release: (address) => sockets.release(address),
    close: () => sockets.close(),
  };
}

/** Judges whether a node may be called. @throws {PeerError} ADDRESS_BLOCKED */
type Enter = (address: PeerAddress, options: CallOptions) => void;

const callsWithEffects = (
  sockets: NodeSockets,
  enter: Enter,
): Pick<PeerApi, "startContainer" | "removeContainer" | "mapPort"> => ({
  async startContainer(address, order, options = {}) {
    enter(address, options);
    return await startContainer(sockets, address, order, options);
  },
  async removeContainer(address, id, options = {}) {
    requireContainerId(id);
    enter(address, options);
    return await removeContainer(sockets, address, id, options);
  },
  async mapPort(address, order, options = {}) {
    enter(address, options);
    return await mapPort(sockets, address, order, options);
  },
});

async function askSpecs(ask: (path: string) => Promise<NodeAnswer>): Promise<NodeSpecs> {
  const [own, foreign] = specsPaths;
  const first = await ask(own);
  const answer = first.httpStatus === 404 ? await ask(foreign) : first;
  requireOk(answer);
  return parseSpecs(answer.body);
}

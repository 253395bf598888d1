import { isIpLiteral } from "../peer-api/address.js";
import type { CallOptions, PeerAddress, PeerApi } from "../peer-api/contract.js";
import { bareRow } from "../peer-api/ip-table-rows.js";
import type { CallerOptions, IpTableService, Node } from "./contract.js";
import { Crawls, type CrawlsDeps } from "./crawl/crawls.js";
import { findNode, originOf, readAddress, requireAllowed } from "./node-lookup.js";
import { keyOf, newRecord, type NodeRecord, toNode } from "./node-record.js";
import { isOwnNode } from "./own-address.js";
import { NodePages } from "./pages.js";
import { addRecord, removeRecord } from "./table/table-changes.js";

export type ServiceDeps = CrawlsDeps;

/** Builds the peer-to-peer module on its parts. */
export function createIpTableService(deps: ServiceDeps): IpTableService {
  const { table, policy, clock } = deps;
  const crawls = new Crawls(deps);
  const pages = new NodePages();
  /** Tells the own node by what is known now. */
  const selfTest = (): ((record: NodeRecord) => boolean) => {
    const own = { ...deps.own, publicIpAddress: deps.ownAddress.known?.publicIpAddress ?? "" };
    return ({ address, row }) => isOwnNode(address, row, own);
  };
  const show = (record: NodeRecord): Node => toNode(record, selfTest()(record));

  return {
    updateIpTable: (request, options) => crawls.watch(request, options),

    async listNodes(page) {
      return await pages.pageOf(await table.read(), page, selfTest());
    },

    async addNode(text, replaceAll, { caller }) {
      const typed = readAddress(text, "address");
      requireAllowed(typed, "address", caller, policy);
      // A name is resolved once, here: what it means later cannot lead the gateway elsewhere.
      const address = isIpLiteral(typed) ? typed : { ...typed, host: await deps.resolveName(typed.host) };
      const added = newRecord(bareRow(address), originOf(caller), { firstSeenTimeMs: clock.nowMs() });
      return await table.update((nodes) => show(addRecord(nodes, added, replaceAll)));
    },

    async removeNode(text, etag) {
      return await table.update((nodes) => show(removeRecord(nodes, text, etag)));
    },

    async specs(text, { maxAgeMs = 0, ...options }) {
      const known = findNode(text, await table.read(), options.caller).record?.specs;
      const ageMs = clock.nowMs() - (known?.observeTimeMs ?? Number.NEGATIVE_INFINITY);
      // An answer of a time to come is none: the clock was set back, and nobody knows how old it is.
      if (known !== undefined && ageMs >= 0 && ageMs < maxAgeMs) return known;
      const { key, result } = await callNode(deps, text, options, (api, address, call) =>
        api.specs(address, call),
      );
      const specs = { ...result, observeTimeMs: clock.nowMs() };
      table.remember(key, { specs });
      return specs;
    },

    async images(text, options) {
      return (await callNode(deps, text, options, (api, address, call) => api.images(address, call))).result;
    },

    locate: async (text, caller) => await locate(deps, text, caller),
    allowsConnected: (remoteAddress) => policy.allowsConnected(remoteAddress),

    close: () => crawls.close(),
  };
}

async function locate(
  { table, policy }: ServiceDeps,
  text: string,
  caller: CallerOptions["caller"],
): Promise<{ address: PeerAddress; isAsTyped: boolean }> {
  const { address, record } = findNode(text, await table.read(), caller);
  const isAsTyped = caller === "operator" || record?.origin === "operator";
  // A literal is judged before anything is written down of it; a name is judged by its socket.
  if (!isAsTyped && isIpLiteral(address)) requireAllowed(address, "node", caller, policy);
  return { address, isAsTyped };
}

/** Calls one node for one caller, on sockets that are gone afterwards. */
async function callNode<T>(
  deps: ServiceDeps,
  text: string,
  { caller, signal }: CallerOptions,
  call: (api: PeerApi, address: PeerAddress, options: CallOptions) => Promise<T>,
): Promise<{ key: string; result: T }> {
  const { address, isAsTyped } = await locate(deps, text, caller);
  const isAllowed = isAsTyped ? undefined : deps.policy.allowsConnected;
  const api = deps.openPeerApi();
  try {
    return { key: keyOf({ address }), result: await call(api, address, { isAllowed, signal }) };
  } finally {
    api.close();
  }
}

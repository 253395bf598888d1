import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import {
  type Bandwidth,
  Bandwidth_Mode,
  type UpdateIpTableRequest,
  type UpdateIpTableResponse,
} from "../gen/p2prc/client/v1/ip_table_pb.js";
import type { ContainerService } from "../containers/contract.js";
import type {
  BandwidthRequest,
  Caller,
  CallerOptions,
  CrawlEvent,
  CrawlRequest,
  IpTableService,
} from "../p2p/contract.js";
import { containerHandlers, groupHandlers } from "./container-handlers.js";
import type { PluginService } from "../plugins/contract.js";
import { fromPage, toMilliseconds } from "./from-wire.js";
import { pluginHandlers } from "./plugin-handlers.js";
import { portHandlers } from "./port-handlers.js";
import { toCrawlEvent } from "./to-crawl-event.js";
import { toNode, toSpecs } from "./to-node.js";

export interface ClientServiceDeps {
  readonly ipTable: IpTableService;
  /** Calls that come before the state is open wait for it. */
  readonly containers: Promise<ContainerService>;
  /** As `containers`. */
  readonly plugins: Promise<PluginService>;
  /** Who comes through the door that these routes are registered for. */
  readonly caller: Caller;
}

/** Registers ClientService: each handler converts, makes one call, and converts back. */
export function registerClientService(
  router: ConnectRouter,
  { ipTable, containers, plugins, caller }: ClientServiceDeps,
): void {
  const optionsOf = (context: HandlerContext): CallerOptions => ({ caller, signal: context.signal });
  // One conversion, and one etag, for all who watch a crawl.
  const messages = new WeakMap<CrawlEvent, UpdateIpTableResponse>();
  const messageOf = (event: CrawlEvent): UpdateIpTableResponse => {
    const message = messages.get(event) ?? toCrawlEvent(event);
    messages.set(event, message);
    return message;
  };
  const implementation: ServiceImpl<typeof ClientService> = {
    ...containerHandlers(containers, caller),
    ...groupHandlers(containers, caller),
    ...pluginHandlers(plugins, caller),
    ...portHandlers(containers, caller),
    async *updateIpTable(request, context) {
      const options = { ...optionsOf(context), timeoutMs: context.timeoutMs() };
      for await (const event of ipTable.updateIpTable(fromCrawlRequest(request), options))
        yield messageOf(event);
    },
    async listNodes(request) {
      const { nodes, nextPageToken } = await ipTable.listNodes(fromPage(request));
      return { nodes: nodes.map(toNode), nextPageToken };
    },
    async addNode({ address, replaceAll }, context) {
      return { node: toNode(await ipTable.addNode(address, replaceAll, optionsOf(context))) };
    },
    async removeNode({ node, etag }) {
      return { node: toNode(await ipTable.removeNode(node, etag)) };
    },
    async getSpecs({ node, maxAge }, context) {
      const maxAgeMs = maxAge === undefined ? undefined : toMilliseconds(maxAge);
      return { specs: toSpecs(await ipTable.specs(node, { ...optionsOf(context), maxAgeMs })) };
    },
    async listImages({ node }, context) {
      return { images: (await ipTable.images(node, optionsOf(context))).map((image) => ({ ...image })) };
    },
  };
  router.service(ClientService, implementation);
}

/** Converts a request whose rules have been enforced; what is absent keeps its default. */
function fromCrawlRequest(request: UpdateIpTableRequest): CrawlRequest {
  const {
    maxHops,
    maxConcurrency,
    nodeTimeout,
    exchangeTimeout,
    seedAddresses,
    maxSharedRows,
    bandwidth,
    validateOnly,
    joinRunning,
    resumeToken,
  } = request;
  return {
    ...(maxHops === undefined ? {} : { maxHops }),
    ...(maxConcurrency === 0 ? {} : { maxConcurrency }),
    ...(nodeTimeout === undefined ? {} : { nodeTimeoutMs: toMilliseconds(nodeTimeout) }),
    ...(exchangeTimeout === undefined ? {} : { exchangeTimeoutMs: toMilliseconds(exchangeTimeout) }),
    seedAddresses,
    ...(maxSharedRows === undefined ? {} : { maxSharedRows }),
    ...(bandwidth?.mode === Bandwidth_Mode.MEASURE ? { bandwidth: fromBandwidth(bandwidth) } : {}),
    validateOnly,
    joinRunning,
    resumeToken,
  };
}

function fromBandwidth({ maxBytesPerNode, maxDuration, maxAge }: Bandwidth): BandwidthRequest {
  return {
    ...(maxBytesPerNode === 0n ? {} : { maxBytesPerNode: Number(maxBytesPerNode) }),
    ...(maxDuration === undefined ? {} : { maxDurationMs: toMilliseconds(maxDuration) }),
    ...(maxAge === undefined ? {} : { maxAgeMs: toMilliseconds(maxAge) }),
  };
}

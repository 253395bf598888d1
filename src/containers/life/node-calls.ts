import { setMaxListeners } from "node:events";
import type {
  CallOptions,
  ContainerOrder,
  MapAnswer,
  PeerApi,
  PortOrder,
  RemoveAnswer,
  StartAnswer,
} from "../../peer-api/contract.js";
import type { NodeDirectory, Reach } from "../contract.js";

/**
 * The calls to nodes that have effects. Each is made once, whatever becomes of it, and on sockets of its own: the caller
 * of one that concerns a container may leave, the call goes on.
 */
export class NodeCalls {
  readonly #openPeerApi: () => PeerApi;
  readonly #directory: NodeDirectory;
  /** Ends calls under way: the gateway stops. */
  readonly #signal: AbortSignal;

  constructor(openPeerApi: () => PeerApi, directory: NodeDirectory, signal: AbortSignal) {
    this.#openPeerApi = openPeerApi;
    this.#directory = directory;
    this.#signal = signal;
    // Each call under way listens to it: Node takes more than ten for a leak, and says so on stderr.
    setMaxListeners(0, signal);
  }

  /** @throws {PeerError} */
  async start(reach: Reach, order: ContainerOrder): Promise<StartAnswer> {
    return await this.#call(reach, (api, options) => api.startContainer(reach.address, order, options));
  }

  /** @throws {PeerError} */
  async remove(reach: Reach, id: string): Promise<RemoveAnswer> {
    return await this.#call(reach, (api, options) => api.removeContainer(reach.address, id, options));
  }

  /**
   * @param signal of its caller, who is cut off where the gateway stops: an answer without a reader is of no use
   * @throws {PeerError}
   */
  async mapPort(reach: Reach, order: PortOrder, signal: AbortSignal): Promise<MapAnswer> {
    return await this.#call(reach, (api, options) =>
      api.mapPort(reach.address, order, { ...options, signal }),
    );
  }

  async #call<T>({ isAsTyped }: Reach, call: (api: PeerApi, options: CallOptions) => Promise<T>): Promise<T> {
    const api = this.#openPeerApi();
    const isAllowed = isAsTyped
      ? undefined
      : (remoteAddress: string): boolean => this.#directory.allowsConnected(remoteAddress);
    try {
      return await call(api, { isAllowed, signal: this.#signal });
    } finally {
      api.close();
    }
  }
}

import { nodeName } from "../../peer-api/address.js";
import type { MapAnswer, PortOrder } from "../../peer-api/contract.js";
import { catchUpIfHeard, type ChangeDeps } from "../change.js";
import { nodePortOf } from "./container-ports.js";
import type { CallerOptions, MapPortRequest, MapPortResult, NodeDirectory, Reach } from "../contract.js";
import { ContainerError, requireTaken } from "../errors.js";
import { containerLimits } from "../limits.js";
import { findNamed } from "../lookup.js";
import type { NodeCalls } from "../life/node-calls.js";
import { notTracked } from "../life/remove-errors.js";

export interface PortMapsDeps extends Pick<ChangeDeps, "state" | "store" | "clock"> {
  readonly calls: NodeCalls;
  readonly directory: NodeDirectory;
  /** Aborted when no new work is taken. */
  readonly draining: AbortSignal;
}

/**
 * Ports of nodes and containers made reachable from outside. Nothing of it is kept: no node lists its mappings or ends one.
 */
export class PortMaps {
  readonly #deps: PortMapsDeps;
  readonly #running = new Set<Promise<unknown>>();

  constructor(deps: PortMapsDeps) {
    this.#deps = deps;
  }

  /** Calls under way, to wait for. */
  get running(): Iterable<Promise<unknown>> {
    return this.#running;
  }

  /** @throws {ContainerError}, {P2pError}, {PeerError} */
  async map(request: MapPortRequest, { caller, signal }: CallerOptions): Promise<MapPortResult> {
    const { draining, directory } = this.#deps;
    requireTaken(draining);
    const { target, port, domainName, isUdp } = request;
    // A port of a container that another gateway has just removed may be a stranger's by now.
    if (target.kind === "container") await catchUpIfHeard(this.#deps);
    const found =
      target.kind === "container"
        ? this.#ofContainer(target.name, port)
        : { reach: await directory.locate(target.name, caller), nodePort: port };
    requireTaken(draining);
    if (this.#running.size >= containerLimits.maxPortMaps)
      throw new ContainerError("TOO_MANY_PORT_MAPS", "too many ports are being mapped at once");
    const asking = this.#ask(found.reach, { port: found.nodePort, domainName, isUdp }, signal);
    this.#running.add(asking);
    try {
      return await asking;
    } finally {
      this.#running.delete(asking);
    }
  }

  /** @throws {ContainerError} CONTAINER_NOT_TRACKED, PORT_NOT_FOUND */
  #ofContainer(name: string, port: number): { readonly reach: Reach; readonly nodePort: number } {
    const { state } = this.#deps;
    const found = findNamed(state, name);
    if (found === undefined) throw notTracked(name);
    return { reach: found.record, nodePort: nodePortOf(state, found.key, found.record, port) };
  }

  async #ask(reach: Reach, order: PortOrder, signal: AbortSignal): Promise<MapPortResult> {
    const node = nodeName(reach.address);
    const metadata = { node, node_port: String(order.port) };
    let answer: MapAnswer;
    try {
      answer = await this.#deps.calls.mapPort(reach, order, signal);
    } catch (cause) {
      if (signal.aborted || (cause as { wasSent?: unknown }).wasSent === false) throw cause;
      throw new ContainerError(
        "MAP_OUTCOME_UNKNOWN",
        "the node was asked, and no readable answer came: the port may be reachable from outside",
        { metadata, cause },
      );
    }
    if (answer.kind === "refused") {
      throw new ContainerError(
        "NODE_REFUSED_REQUEST",
        answer.httpStatus === 404
          ? "the node maps no ports: its version is too old, or it is no P2PRC node"
          : "the node did not map the port",
        { metadata: { ...metadata, http_status: String(answer.httpStatus) } },
      );
    }
    const host = answer.host === "" ? reach.address.host : answer.host;
    return { node, nodePort: order.port, mapped: { host, port: answer.port } };
  }
}

/** A site is a node ready to answer: its address and its answers, built once. */

import { hostPort } from "./addresses.js";
import { at } from "./at.js";
import type { DevnetNode } from "./contract.js";
import { type HealthyAnswer, replyWith } from "./answers.js";
import type { ContainerHost } from "./container-routes.js";
import { type Dialect, encodeTable, type PeerRecord } from "./dialects.js";
import type { DockerEngine } from "./docker-engine.js";
import { createDockerRuntime } from "./docker-runtime.js";
import { generations } from "./docker-vm.js";
import { createFalseTables } from "./false-tables.js";
import type { FaultName } from "./faults.js";
import { createLine, type Line } from "./line.js";
import { encodeImages, encodeSpecs } from "./machine.js";
import type { PlannedNode } from "./network.js";
import type { CheckedOptions } from "./options.js";
import { createRandom, type Random } from "./random.js";
import { jsonReply, missingFile, type Reply, speedFileBytes } from "./replies.js";
import { createPortMaps, type PortMapHost } from "./port-maps.js";
import { createSimulatedRuntime } from "./simulated-runtime.js";

export interface Site {
  readonly address: string;
  readonly dialect: Dialect;
  /** May be changed while the node runs. */
  fault: FaultName | undefined;
  readonly specs: Reply;
  readonly table: Reply;
  readonly images: Reply;
  /** Where its containers run; undefined before there were any. */
  readonly host: ContainerHost | undefined;
  /** How it maps ports; undefined before there was such a route. */
  readonly portMaps: PortMapHost | undefined;
  readonly speedFile: HealthyAnswer;
  readonly downloadLine: Line;
  readonly uploadLine: Line;
  /** The table of a node that lies; empty for everybody else. */
  readonly falseTable: Buffer;
  /** Where a redirecting node sends its callers. */
  readonly otherNode: string;
}

/** A Docker Engine that the nodes share. */
export interface SharedEngine {
  readonly engine: DockerEngine;
  /** Of the devnet, unlike any other. */
  readonly devnetId: string;
}

export interface SitesOptions {
  readonly options: CheckedOptions;
  readonly nowMs: () => number;
  /** Undefined = containers are simulated. */
  readonly shared: SharedEngine | undefined;
}

/** Builds every answer of the network, now that its port is known. */
export function buildSites(
  nodes: readonly PlannedNode[],
  port: number,
  { options, nowMs, shared }: SitesOptions,
): readonly Site[] {
  const random = createRandom(options.seed ^ 0x51_7e);
  const falseTableOf = createFalseTables(nodes, port, options);
  const otherNode = addressOf(at(nodes, 0), port);
  const isFilePresent = options.speedTestFile === "present";
  return nodes.map((node, position) => ({
    address: addressOf(node, port),
    dialect: node.dialect,
    fault: node.fault,
    specs: jsonReply(encodeSpecs(node.machine, node.dialect)),
    table: jsonReply(encodeTable(node.dialect, tableOf(node, nodes, port, random))),
    images: jsonReply(encodeImages(node.machine)),
    host: hostOf(node, position, addressOf(node, port), options, shared),
    portMaps: portMapHostOf(node),
    speedFile: isFilePresent ? { kind: "download", sizeBytes: speedFileBytes } : replyWith(missingFile),
    downloadLine: createLine(dealt(options.bandwidthMbps, position), nowMs),
    uploadLine: createLine(dealt(options.uploadMbps, position), nowMs),
    falseTable: falseTableOf(node),
    otherNode,
  }));
}

function hostOf(
  node: PlannedNode,
  position: number,
  address: string,
  options: CheckedOptions,
  shared: SharedEngine | undefined,
): ContainerHost | undefined {
  const { generations: dealtNames, listens, sshDelayMs } = options.containers;
  const { containers: ownName = "2023-12" } = node.dialect;
  const name = dealtNames === undefined ? ownName : at(dealtNames, position % dealtNames.length);
  if (name === null) return undefined;
  const generation = generations[name];
  const { host, isProxied, machine } = node;
  const common = { host, generation, isProxied, sshDelayMs };
  return {
    generation,
    runtime:
      shared === undefined
        ? createSimulatedRuntime({ ...common, listens, hasGpu: machine.gpu !== null })
        : createDockerRuntime({ ...common, ...shared, address }),
    imageNames: machine.images.map(([image]) => image),
  };
}

function portMapHostOf({ dialect, host, isProxied }: PlannedNode): PortMapHost | undefined {
  const { mapReads: reads, isTestMode = false } = dialect;
  if (reads === undefined) return undefined;
  return { maps: createPortMaps(host), reads, toldHost: isTestMode && !isProxied ? "0.0.0.0" : host };
}

const addressOf = (node: PlannedNode, port: number): string => hostPort(node.host, port + node.portOffset);

const dealt = (rates: readonly (number | undefined)[], position: number): number | undefined =>
  rates[position % rates.length];

/** What the devnet tells about its nodes. */
export function describeNodes(nodes: readonly PlannedNode[], port: number): readonly DevnetNode[] {
  return nodes.map((node) => ({
    address: addressOf(node, port),
    name: node.machine.name,
    dialect: node.dialectName,
    depth: node.depth,
    ...(node.fault === undefined ? {} : { fault: node.fault }),
  }));
}

/**
 * The rows of a node's table: its peers, then itself.
 *
 * A real node merges what it is sent into this; ours does not, so that a crawl finds the same network each time.
 * Source of the own row: shared protocol notes, "Own entry, merge, dedup, removal".
 */
function tableOf(
  node: PlannedNode,
  nodes: readonly PlannedNode[],
  port: number,
  random: Random,
): readonly PeerRecord[] {
  const peers = node.neighbours.map((position) => {
    const latencyNs = 300_000 + random.below(200_000_000);
    const peer = at(nodes, position);
    return { ...peer.traits, serverPort: port + peer.portOffset, latencyNs };
  });
  if (node.dialect.listsItself === false) return peers;
  const escapeImplementation = node.traits.nat || node.isProxied ? "FRP" : "None";
  const serverPort = port + node.portOffset;
  const self: PeerRecord = { ...node.traits, serverPort, latencyNs: 0, escapeImplementation };
  // Behind a proxy a node goes by the proxy's address, in Test mode as well.
  const goesByNowhere = node.dialect.isTestMode === true && !node.isProxied;
  return [...peers, goesByNowhere ? { ...self, ipv4: "0.0.0.0" } : self];
}

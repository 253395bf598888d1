import type { DevnetNode, DevnetView } from "../devnet/contract.js";
import { CrawlCompleted_EndReason, NodeFailed_Step } from "../gen/p2prc/client/v1/ip_table_pb.js";
import { type Node, Node_State } from "../gen/p2prc/client/v1/node_pb.js";
import { addressOf, endReasonText } from "./crawl-text.js";
import type { CrawlReport } from "./follow-crawl.js";

export interface DemoOutcome {
  readonly devnet: Pick<DevnetView, "nodes">;
  readonly report: CrawlReport;
  /** The IP table after the crawl. */
  readonly nodes: readonly Node[];
  readonly maxHops: number;
}

/** Compares what the crawl found with the network that was there. @returns what is wrong; empty = nothing */
export function judgeDemo({ devnet, report, nodes, maxHops }: DemoOutcome): readonly string[] {
  const { endReason } = report.completed;
  if (endReason !== CrawlCompleted_EndReason.FINISHED)
    return [`the crawl ended with ${endReasonText(endReason)}`];
  const within = devnet.nodes.filter(({ depth }) => depth <= maxHops);
  const active = addresses(nodes.filter(({ state }) => state === Node_State.ACTIVE).map(({ name }) => name));
  const failed = addresses(report.failures.map(({ node }) => node));
  const silent = addresses(
    report.failures.filter(({ step }) => step === NodeFailed_Step.PROBE).map(({ node }) => node),
  );
  const missing = within.filter(({ address, fault }) => fault === undefined && !active.has(address));
  const slandered = within.filter(({ address, fault }) => fault === undefined && failed.has(address));
  const unnoticed = within.filter((node) => spoilsProbe(node) && !silent.has(node.address));
  return [
    ...complaint("healthy nodes not found", missing),
    ...complaint("healthy nodes that failed", slandered),
    ...complaint("faulty nodes not named", unnoticed),
  ];
}

/** A node whose exchange alone is faulty may be too far away to be asked for its table. */
const spoilsProbe = ({ fault }: DevnetNode): boolean => fault !== undefined && !fault.endsWith("-exchange");

const addresses = (names: readonly string[]): ReadonlySet<string> => new Set(names.map(addressOf));

const complaint = (what: string, nodes: readonly DevnetNode[]): readonly string[] =>
  nodes.length === 0 ? [] : [`${what}: ${nodes.map(({ address }) => address).join(", ")}`];

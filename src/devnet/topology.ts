/** Who knows whom: which rows stand in which node's table. Nodes are positions here, entry nodes come first. */

import { at } from "./at.js";
import type { Shape } from "./contract.js";
import type { Random } from "./random.js";

export interface TopologyPlan {
  readonly shape: Shape;
  readonly entryNodes: number;
  readonly rowsPerTable: number;
  /** Positions of the healthy nodes, entry nodes first. */
  readonly healthy: readonly number[];
  readonly faulty: readonly number[];
}

export interface Topology {
  /** By position: table look-ups from an entry node. */
  readonly depths: readonly number[];
  /** By position: whom the node's table names, itself not among them. */
  readonly neighbours: readonly (readonly number[])[];
}

interface Draft {
  readonly plan: TopologyPlan;
  readonly random: Random;
  readonly depths: number[];
  readonly neighbours: Set<number>[];
  /** Healthy nodes, nearest first. */
  readonly byDepth: number[];
}

/** Lays the network out. Every healthy node is within reach of an entry node by way of healthy nodes only. */
export function layOut(plan: TopologyPlan, random: Random): Topology {
  const size = plan.healthy.length + plan.faulty.length;
  const draft: Draft = {
    plan,
    random,
    depths: Array.from({ length: size }, () => 0),
    neighbours: Array.from({ length: size }, () => new Set<number>()),
    byDepth: plan.healthy.slice(0, plan.entryNodes),
  };
  linkHealthy[plan.shape](draft);
  nameFaulty(draft);
  if (plan.shape === "random") fillTables(draft);
  return { depths: draft.depths, neighbours: draft.neighbours.map((known) => random.shuffled([...known])) };
}

const linkHealthy: Record<Shape, (draft: Draft) => void> = {
  // Three rows in five lead on to the next level, which leaves some for rows that a crawl has met before.
  random: (draft) => growTree(draft, Math.max(1, Math.ceil((draft.plan.rowsPerTable - 1) * 0.6))),
  chain: (draft) => growTree(draft, 1),
  mesh: linkAll,
};

/** Hangs each healthy node below the nearest one that has room, so that levels fill one after the other. */
function growTree(draft: Draft, childrenPerNode: number): void {
  const rest = draft.plan.healthy.slice(draft.plan.entryNodes);
  const order = draft.plan.shape === "chain" ? rest : draft.random.shuffled(rest);
  for (const [count, child] of order.entries()) {
    const parent = at(draft.byDepth, Math.floor(count / childrenPerNode));
    at(draft.neighbours, parent).add(child);
    draft.depths[child] = at(draft.depths, parent) + 1;
    draft.byDepth.push(child);
  }
}

function linkAll(draft: Draft): void {
  for (const [node, known] of draft.neighbours.entries()) {
    for (const other of draft.neighbours.keys()) if (other !== node) known.add(other);
    draft.depths[node] = node < draft.plan.entryNodes ? 0 : 1;
  }
}

/** A faulty node stands in the tables of two healthy ones: found for sure, and not the only way to anybody. */
function nameFaulty(draft: Draft): void {
  if (draft.plan.shape === "mesh") return; // everybody names it already
  const namers = draft.random.shuffled(draft.byDepth);
  for (const [count, node] of draft.plan.faulty.entries()) {
    const first = at(namers, count % namers.length);
    const second = at(namers, (count + 1) % namers.length);
    for (const namer of [first, second]) at(draft.neighbours, namer).add(node);
    draft.depths[node] = 1 + Math.min(at(draft.depths, first), at(draft.depths, second));
  }
}

/** Adds rows up to the wanted number. None reaches further down than the next level: declared depths stay true. */
function fillTables(draft: Draft): void {
  for (const [node, known] of draft.neighbours.entries()) {
    const depth = at(draft.depths, node);
    const reach = firstDeeperThan(depth + 1, draft);
    const candidates = draft.byDepth.slice(0, reach);
    const wanted = draft.plan.rowsPerTable - 1;
    // Few candidates: take them in any order. Many: draw until enough are new, which needs few draws.
    if (candidates.length <= wanted * 2) {
      for (const other of draft.random.shuffled(candidates))
        if (known.size < wanted && other !== node) known.add(other);
    } else {
      while (known.size < wanted) {
        const other = draft.random.pick(candidates);
        if (other !== node) known.add(other);
      }
    }
  }
}

function firstDeeperThan(depth: number, draft: Draft): number {
  const found = draft.byDepth.findIndex((node) => at(draft.depths, node) > depth);
  return found === -1 ? draft.byDepth.length : found;
}

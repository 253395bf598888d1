/** What happens to a fleet in one round, drawn beforehand: the same seed brings the same faults at the same times. */
import type { Random } from "../../../../src/devnet/random.js";
import type { FailpointName } from "../../../../src/system/failpoint.js";
import type { Cut } from "../../tcp-proxy.js";
import type { KillPlan } from "../kill-plan.js";

/** What becomes of one gateway. */
export interface Fate {
  /** Absent = it lives, unless `afterMs` says when it is killed from outside. */
  readonly plan?: KillPlan;
  readonly afterMs?: number;
  /** How long it is away; absent = until the round is over. */
  readonly awayMs?: number;
}

export type Fault =
  /** Redis is killed, and started again so much later. */
  | { readonly kind: "redis killed"; readonly atMs: number; readonly awayMs: number }
  /** It stays connected and does nothing. */
  | { readonly kind: "redis held up"; readonly atMs: number; readonly awayMs: number }
  /** It forgets everything. */
  | { readonly kind: "redis flushed"; readonly atMs: number }
  /** A replica that has heard nothing for so long takes over. */
  | { readonly kind: "redis failed over"; readonly atMs: number; readonly lagMs: number }
  /** All connections of one gateway are reset. */
  | { readonly kind: "connections reset"; readonly atMs: number; readonly seat: number }
  /** One connection is cut at a message. */
  | { readonly kind: "connection cut"; readonly atMs: number; readonly seat: number; readonly cut: Cut }
  /** One gateway reaches Redis no more for a time. */
  | {
      readonly kind: "gateway cut off";
      readonly atMs: number;
      readonly seat: number;
      readonly awayMs: number;
    }
  /** It does nothing for a time, and may be taken for dead. */
  | {
      readonly kind: "gateway held up";
      readonly atMs: number;
      readonly seat: number;
      readonly awayMs: number;
    }
  | { readonly kind: "files edited"; readonly atMs: number; readonly seat: number }
  | { readonly kind: "groups named twice"; readonly atMs: number; readonly seat: number };

export interface RoundPlan {
  /** At least so long, in milliseconds. */
  readonly lengthMs: number;
  /** By seat. */
  readonly fates: readonly Fate[];
  readonly faults: readonly Fault[];
  /** Whom nobody calls. Absent = all are called. */
  readonly spectator?: number;
}

/** Where a kill tells most about a state that is elsewhere. */
const telling: readonly FailpointName[] = [
  "commit.leaving",
  "commit.sent",
  "commit.replied",
  "commit.shown",
  "journal.written",
  "create.begun",
  "create.asking",
  "create.answered",
  "create.seen",
  "create.settled",
  "remove.begun",
  "remove.answered",
];

const longestMs = 3_000;

/** Longer than the others wait for a gateway that is silent. */
const takenForDeadMs = 18_000;

/** @param isLong whether gateways may be held up until they are taken for dead */
export function planRound(random: Random, seats: number, isLong: boolean): RoundPlan {
  const fates = Array.from({ length: seats }, () => someFate(random));
  const faults = Array.from({ length: 1 + random.below(4) }, () => someFault(random, seats, isLong));
  return { lengthMs: longestMs, fates, faults };
}

/**
 * Redis loses what it has confirmed, once or more. Who was called may not be killed then: what nobody else has heard of
 * would be lost with it. Another gateway, which nobody calls, may: while it brings back what it has seen.
 */
export function planLosses(random: Random, seats: number): RoundPlan {
  const [spectator] = seats > 2 ? [random.below(seats)] : [];
  const fates = Array.from({ length: seats }, (_, seat) => (seat === spectator ? someDeath(random) : {}));
  const losses = Array.from({ length: 1 + random.below(3) }, () => someLoss(random));
  const faults = Array.from({ length: random.below(4) }, () => someFault(random, seats, false));
  return {
    lengthMs: longestMs,
    fates,
    faults: [...losses, ...faults.filter((fault) => !("seat" in fault) || fault.seat !== spectator)],
    ...(spectator === undefined ? {} : { spectator }),
  };
}

function someDeath(random: Random): Fate {
  const awayMs = random.below(800);
  if (random.below(3) === 0) return { afterMs: 200 + random.below(longestMs - 400), awayMs };
  const name = random.pick(["commit.leaving", "commit.sent", "commit.replied"] as const);
  return { plan: { name, hit: 1 + random.below(2) }, awayMs };
}

function someLoss(random: Random): Fault {
  const atMs = 300 + random.below(longestMs - 800);
  return random.below(2) === 0
    ? { kind: "redis flushed", atMs }
    : { kind: "redis failed over", atMs, lagMs: random.below(500) };
}

function someFate(random: Random): Fate {
  const draw = random.below(12);
  const away = random.below(3) === 0 ? {} : { awayMs: random.below(800) };
  if (draw < 3) return {};
  if (draw < 5) return { afterMs: 200 + random.below(longestMs - 400), ...away };
  if (draw < 7) return { plan: { hit: 1 + random.below(300) }, ...away };
  const name = random.pick(telling);
  const plan = { name, hit: 1 + random.below(6) };
  // Between the call to a node and its answer no failpoint comes up.
  return { plan: name === "create.asking" ? { ...plan, delayMs: random.below(10) } : plan, ...away };
}

function someFault(random: Random, seats: number, isLong: boolean): Fault {
  const atMs = random.below(longestMs - 500);
  const seat = random.below(seats);
  const awayMs = 50 + random.below(1_500);
  switch (random.below(10)) {
    case 0:
    case 1:
      return { kind: "redis killed", atMs, awayMs };
    case 2:
      return { kind: "redis held up", atMs, awayMs };
    case 3:
      return { kind: "connections reset", atMs, seat };
    case 4:
      return { kind: "gateway cut off", atMs, seat, awayMs };
    case 5:
      return { kind: "files edited", atMs, seat };
    case 6:
      return random.below(3) === 0
        ? { kind: "groups named twice", atMs, seat }
        : { kind: "files edited", atMs, seat };
    case 7: {
      const isDead = random.below(3) === 0 && isLong;
      return { kind: "gateway held up", atMs, seat, awayMs: isDead ? takenForDeadMs : awayMs };
    }
    default: {
      const direction = random.pick(["commands", "replies"] as const);
      const place = random.pick(["before", "middle"] as const);
      return {
        kind: "connection cut",
        atMs,
        seat,
        cut: { direction, place, message: 1 + random.below(40) },
      };
    }
  }
}

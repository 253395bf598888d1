/** The line of a node into the network: both directions of its speed test pass through it. */

import { setTimeout as sleep } from "node:timers/promises";
import { createTokenBucket } from "./token-bucket.js";

/** One direction. All transfers of a node share it, as they would share a real one. */
export interface Line {
  /** Bytes that may go in one piece: large ones take little work, small ones keep a slow rate even. */
  readonly pieceBytes: number;
  /** Resolves when so many bytes may pass. */
  pass(bytes: number): Promise<void>;
}

const largestPieceBytes = 256 * 1024;
/** A piece is no more than what passes in this time. */
const pieceMs = 10;
/** Timers count whole milliseconds: shorter waits are not worth one, and the next longer one includes them. */
const shortestWaitMs = 4;

/** @param megabitsPerSecond undefined = as fast as the machine */
export function createLine(megabitsPerSecond: number | undefined, nowMs: () => number): Line {
  if (megabitsPerSecond === undefined)
    return { pieceBytes: largestPieceBytes, pass: () => Promise.resolve() };
  const bucket = createTokenBucket(megabitsPerSecond, nowMs);
  const pieceBytes = Math.floor(megabitsPerSecond * 125 * pieceMs);
  return {
    pieceBytes: Math.min(largestPieceBytes, Math.max(1, pieceBytes)),
    pass: async (bytes) => {
      const waitMs = bucket.takeMs(bytes);
      // A closed devnet must not keep its process alive for bytes nobody waits for.
      if (waitMs >= shortestWaitMs) await sleep(waitMs, undefined, { ref: false });
    },
  };
}

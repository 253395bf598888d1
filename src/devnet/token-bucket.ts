/** Shapes a rate: tells how long bytes have to wait before they may pass. */
export interface TokenBucket {
  /**
   * Takes tokens for so many bytes, in advance where the bucket is empty.
   *
   * @returns how long to wait until they have dripped in, in milliseconds; 0 = the bytes may pass at once
   */
  takeMs(bytes: number): number;
}

/** Timers come late, above all on a busy machine: what was missed so recently may be made up for. */
const longestCatchUpMs = 100;

const bytesPerMsOfMegabit = 125;

/**
 * Keeps the fill level as a point in time: when the last token taken will have dripped in. So it needs no timer.
 *
 * The bucket is empty when it is new and again after a pause: the first bytes of a transfer wait like all others, and
 * over a second the rate is right to the few milliseconds by which a timer is late.
 */
export function createTokenBucket(megabitsPerSecond: number, nowMs: () => number): TokenBucket {
  const bytesPerMs = megabitsPerSecond * bytesPerMsOfMegabit;
  let paidAtMs = -Infinity;
  return {
    takeMs: (bytes) => {
      const now = nowMs();
      if (now - paidAtMs > longestCatchUpMs) paidAtMs = now;
      paidAtMs += bytes / bytesPerMs;
      return Math.max(0, paidAtMs - now);
    },
  };
}

/** Time, passed in so that tests own it. */
export interface Clock {
  /** Wall clock, in milliseconds since 1970. */
  nowMs(): number;
  /** Never goes back, in milliseconds. */
  monotonicMs(): number;
  /** Runs `action` after `delayMs`. @returns what takes it back */
  after(delayMs: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

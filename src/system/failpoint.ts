/**
 * Marks a place where a crash must lose nothing. Does nothing in a release: only test builds put something here.
 *
 * @see test/support/failpoints.ts
 */
export function failpoint(name: FailpointName): void {
  (globalThis as { p2prcFailpoint?: (name: FailpointName) => void }).p2prcFailpoint?.(name);
}

export type FailpointName = string;

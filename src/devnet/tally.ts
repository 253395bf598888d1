import type { ServerResponse } from "node:http";

/** Counts what was sent of a body, for the ledger. */
export interface Tally {
  sentBytes: number;
}

/**
 * Writes a part of the body, and counts it once the system has taken it.
 *
 * @returns false if the connection was gone
 */
export function writeCounted(
  response: ServerResponse,
  bytes: Buffer | string,
  tally: Tally,
): Promise<boolean> {
  return new Promise((resolve) => {
    response.write(bytes, (error) => {
      const isSent = error === null || error === undefined;
      if (isSent) tally.sentBytes += bytes.length;
      resolve(isSent);
    });
  });
}

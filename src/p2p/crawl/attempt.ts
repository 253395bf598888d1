import type { Logger } from "../../observability/logger.js";
import { PeerError } from "../../peer-api/errors.js";

/** Makes a node's failure a result: a crawl reports it and goes on. */
export async function attempt<T>(call: Promise<T>, logger: Logger, crawl: string): Promise<T | PeerError> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof PeerError) return error;
    // A bug of ours must not pass for a node's: it is said, and the crawl goes on.
    logger.error({ err: error, crawl }, "a visit failed for no reason of the node");
    return new PeerError("BAD_BODY", "the call failed", { cause: error });
  }
}

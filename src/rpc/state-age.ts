import { ConnectError, type Interceptor } from "@connectrpc/connect";
import type { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";

/** Header of an answer that rests on a state which may be older than the store's. docs/redis.md tells callers. */
export const stateAgeHeader = "p2prc-state-age-ms";

/** Reads of the IP table and calls to nodes do not rest on the state. */
const methods: ReadonlySet<string> = new Set([
  "getContainer",
  "getContainerAccess",
  "listContainers",
  "waitContainer",
  "getGroup",
  "listGroups",
  "watch",
] satisfies (keyof typeof ClientService.method)[]);

/**
 * Says on answers how old they may be, in milliseconds, while the store does not answer. Without the header the answer
 * is as new as the store. Refusals carry it too: what others have made since is "not tracked" here. It stands outside of
 * what turns errors into those of Connect.
 *
 * @param behindSinceMs since when it does not answer, wall clock; undefined = it does
 */
export function tellStateAge(
  behindSinceMs: () => number | undefined,
  clock: { nowMs(): number },
): Interceptor {
  return (next) => async (request) => {
    const tell = (headers: Headers): void => {
      const sinceMs = methods.has(request.method.localName) ? behindSinceMs() : undefined;
      if (sinceMs !== undefined) headers.set(stateAgeHeader, String(Math.max(0, clock.nowMs() - sinceMs)));
    };
    try {
      const response = await next(request);
      tell(response.header);
      return response;
    } catch (error) {
      if (error instanceof ConnectError) tell(error.metadata);
      throw error;
    }
  };
}

import type { CallOptions, NodeSpecs, PeerAddress, Probe } from "./contract.js";
import { PeerError } from "./errors.js";
import { routeLimits } from "./limits.js";
import { outOfTime, requireOk } from "./node-request.js";
import { type RoundTrip, roundTrip } from "./round-trip.js";
import { canceled, type NodeSockets } from "./sockets.js";
import { parseSpecs } from "./specs-reply.js";

/** Where a node tells its specs: P2PRC's own route, then the one that its documentation names and others serve. */
export const specsPaths = ["/server_info", "/server_specs"] as const;

const roundTripCount = 3;

/**
 * Measures latency with three round trips of a node's specs. @see PeerApi.probe
 *
 * When the time is over after a complete round trip, what was measured counts: the node did answer.
 */
export async function probe(
  sockets: NodeSockets,
  address: PeerAddress,
  options: CallOptions,
): Promise<Probe> {
  if (options.signal?.aborted === true) throw canceled({ wasSent: false });
  const timeoutMs = options.timeoutMs ?? routeLimits.probe.timeoutMs;
  const deadline = openDeadline(timeoutMs, options.signal);
  const samplesNs: number[] = [];
  let specs: NodeSpecs | undefined;
  const ask = (path: string): Promise<RoundTrip> =>
    roundTrip(sockets, address, path, {
      maxBodyBytes: routeLimits.probe.maxBodyBytes,
      onActivity: options.onActivity,
      onRequest: deadline.hold,
    });
  try {
    let path: string = specsPaths[0];
    while (samplesNs.length < roundTripCount) {
      const answer = await ask(path);
      if (answer.httpStatus === 404 && path === specsPaths[0]) {
        path = specsPaths[1];
        continue;
      }
      requireOk(answer);
      // Every version tells the same specs each time: reading them once is enough.
      specs ??= parseSpecs(answer.body);
      samplesNs.push(answer.elapsedNs);
    }
  } catch (error) {
    const isOver = error instanceof PeerError && error.failure === "TIMEOUT";
    if (!isOver || specs === undefined) throw error;
  } finally {
    deadline.close();
  }
  if (specs === undefined) throw outOfTime();
  return { ...measure(samplesNs), specs };
}

/** Best round trip / 2 and spread of the samples. Source: shared protocol notes, "Speed test and units". */
export function measure(samplesNs: readonly number[]): Pick<Probe, "latencyNs" | "jitterNs" | "sampleCount"> {
  const bestNs = Math.min(...samplesNs);
  return {
    latencyNs: Math.max(1, Math.round(bestNs / 2)),
    ...(samplesNs.length > 1 ? { jitterNs: Math.max(...samplesNs) - bestNs } : {}),
    sampleCount: samplesNs.length,
  };
}

type EndRequest = (error: PeerError) => void;

/** One time limit and one signal over several requests, whichever of them is under way. */
function openDeadline(
  timeoutMs: number,
  signal: AbortSignal | undefined,
): { hold: (end: EndRequest) => void; close: () => void } {
  let endCurrent: EndRequest | undefined;
  let verdict: PeerError | undefined;
  const end = (error: PeerError): void => {
    verdict = error;
    endCurrent?.(error);
  };
  const onAbort = (): void => end(canceled());
  const timer = setTimeout(() => end(outOfTime()), timeoutMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    hold: (endRequest) => {
      endCurrent = endRequest;
      if (verdict !== undefined) endRequest(verdict);
    },
    close: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

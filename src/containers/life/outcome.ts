import type { Logger } from "../../observability/logger.js";
import { pause } from "../../system/pause.js";
import { change, type ChangeDeps, type Plan } from "../change.js";
import { containerLimits } from "../limits.js";

/**
 * Writes down what became of a call to a node. The node has acted already, so this does not give up: a disk that is
 * full or silent is tried again until it takes the outcome, or the gateway stops and the next start finds the intent.
 *
 * @param onDelay told once, when a caller has waited long enough for the disk; it goes on afterwards
 * @throws what stopped it, once `signal` is aborted; what the plan throws
 */
export async function commitOutcome<T>(
  deps: ChangeDeps & { readonly logger: Logger },
  plan: Plan<T>,
  signal: AbortSignal,
  onDelay: (error: Error) => void = () => undefined,
): Promise<T> {
  const startMs = deps.clock.monotonicMs();
  let pauseMs = 50;
  let isTold = false;
  for (;;) {
    try {
      return await change(deps, plan);
    } catch (error) {
      const { name, reason } = error as { name?: unknown; reason?: unknown };
      const isForTheStore = name === "StoreError";
      const isConflict = reason === "STATE_CONFLICT";
      if ((!isForTheStore && !isConflict) || signal.aborted) throw error;
      if (deps.clock.monotonicMs() - startMs >= containerLimits.commitRetryMs && !isTold) {
        isTold = true;
        deps.logger.error({ reason }, "an outcome cannot be written down yet");
        onDelay(error as Error);
      }
      await pause(deps.clock, pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, 5_000);
    }
  }
}

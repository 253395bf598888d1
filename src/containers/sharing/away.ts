import { StoreError } from "../../store/errors.js";
import type { Clock } from "../../system/clock.js";
import { containerLimits } from "../limits.js";
import type { TrackedState } from "../tracked-state.js";

/**
 * Waits for something that the state is to show, but not for a store that stays away: what it says cannot be heard then.
 *
 * @param wait ends, with the signal's reason, when the signal is aborted
 * @param why what its caller is told
 * @throws {StoreError} STATE_STORE_UNAVAILABLE; what `wait` throws
 */
export async function unlessAway<T>(
  { state, clock }: { readonly state: TrackedState; readonly clock: Clock },
  why: string,
  wait: (away: AbortSignal) => Promise<T>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<T> {
  const away = new AbortController();
  const end = (): void => away.abort(new StoreError("STATE_STORE_UNAVAILABLE", why, { metadata }));
  let cancel = (): void => undefined;
  const stop = state.onStanding((isBehind) => {
    cancel();
    cancel = isBehind ? clock.after(containerLimits.awayMs, end) : (): void => undefined;
  });
  try {
    return await wait(away.signal);
  } finally {
    stop();
    cancel();
  }
}

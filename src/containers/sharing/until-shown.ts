import { drainingError } from "../errors.js";
import type { TrackedState } from "../tracked-state.js";

/**
 * Waits for what another gateway does to show in the state.
 *
 * @param read undefined = not yet
 * @throws {ContainerError} DRAINING once `stopping` is aborted; what `signal` was aborted with
 */
export async function untilShown<T>(
  state: TrackedState,
  read: () => T | undefined,
  stopping: AbortSignal,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const shown = read();
  if (shown !== undefined) return shown;
  let stop = (): void => undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const leave = (): void => reject(signal?.reason as Error);
      const end = (): void => reject(drainingError());
      const unsubscribe = state.subscribe(() => {
        const found = read();
        if (found !== undefined) resolve(found);
      });
      stop = () => {
        unsubscribe();
        signal?.removeEventListener("abort", leave);
        stopping.removeEventListener("abort", end);
      };
      signal?.addEventListener("abort", leave);
      stopping.addEventListener("abort", end);
      if (stopping.aborted) end();
    });
  } finally {
    stop();
  }
}

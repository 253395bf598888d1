import { addressKey } from "../peer-api/address.js";
import { ContainerError } from "./errors.js";
import { containerKey, type TypedContainer } from "./names.js";
import type { ContainerRecord } from "./records.js";
import type { TrackedState } from "./tracked-state.js";

/** Several nodes may answer on one address, on ports of their own. */
const maxShown = 10;

/**
 * Finds a tracked container by what a caller typed. Without a port it means the only one with that address and id.
 *
 * @returns undefined if none is tracked
 * @throws {ContainerError} INVALID_CONTAINER_NAME: it means several
 */
export function findContainer(
  state: TrackedState,
  { host, port, id }: TypedContainer,
): { readonly key: string; readonly record: ContainerRecord } | undefined {
  if (port !== undefined) {
    const key = containerKey({ host, port }, id);
    const record = state.get("container", key);
    return record === undefined ? undefined : { key, record };
  }
  const found: { key: string; record: ContainerRecord }[] = [];
  for (const record of state.all("container")) {
    if (record.id === id && record.address.host === host)
      found.push({ key: containerKey(record.address, id), record });
  }
  if (found.length > 1) {
    const shown = found
      .slice(0, maxShown)
      .map(({ record }) => addressKey(record.address))
      .sort();
    throw new ContainerError(
      "INVALID_CONTAINER_NAME",
      `container names one on each of several nodes: ${shown.join(", ")}`,
      { field: "container" },
    );
  }
  return found[0];
}

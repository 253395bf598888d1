import { indexAfter } from "../filter/pages.js";
import { addressKey, nodeName } from "../peer-api/address.js";
import { ContainerError } from "./errors.js";
import { containerKey, type TypedContainer } from "./names.js";
import type { ContainerRecord } from "./records.js";
import type { TrackedState } from "./tracked-state.js";

/** Several nodes may answer on one address, on ports of their own. */
const maxShown = 10;

/** Containers of all nodes with this address. */
function onHost(
  state: TrackedState,
  host: string,
): { readonly key: string; readonly record: ContainerRecord }[] {
  const found = [];
  // Names are sorted, and those of one host stand together: a call may name a thousand containers of a hundred thousand.
  const beginning = nodeName({ host, port: 0 }).slice(0, -1);
  const { names } = state;
  for (let index = indexAfter(names, beginning); names[index]?.startsWith(beginning) === true; index += 1) {
    const { kind, subject: key = "" } = state.subjectOf(names[index] ?? "") ?? {};
    const record = kind === "container" ? state.get("container", key) : undefined;
    if (record !== undefined) found.push({ key, record });
  }
  return found;
}

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
  const found = onHost(state, host).filter(({ record }) => record.id === id);
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

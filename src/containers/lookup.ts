import { indexAfter } from "../filter/pages.js";
import { addressKey, nodeName } from "../peer-api/address.js";
import { ContainerError } from "./errors.js";
import { containerKey, readContainerName, type TypedContainer } from "./names.js";
import type { ContainerRecord, IntentRecord, TombstoneRecord } from "./records.js";
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
  field = "container",
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
      `${field} names one on each of several nodes: ${shown.join(", ")}`,
      { field },
    );
  }
  return found[0];
}

/** Finds a tracked container by its name; `~INTENT` names none. @throws {ContainerError} INVALID_CONTAINER_NAME */
export function findNamed(
  state: TrackedState,
  name: string,
  field = "container",
): ReturnType<typeof findContainer> {
  const typed = readContainerName(name, field);
  return typed.isIntent ? undefined : findContainer(state, typed, field);
}

/** Finds what is known of a container without an id, `~INTENT`. @returns undefined if none is open on that node */
export function findIntent(state: TrackedState, typed: TypedContainer): IntentRecord | undefined {
  const intent = typed.isIntent ? state.get("intent", typed.id) : undefined;
  return intent !== undefined && isAt(intent.address, typed) ? intent : undefined;
}

/** @returns the last one removed of those that a name without a port means */
export function findTombstone(state: TrackedState, typed: TypedContainer): TombstoneRecord | undefined {
  const { host, port, id, isIntent } = typed;
  if (isIntent) return undefined;
  if (port !== undefined) return state.get("tombstone", containerKey({ host, port }, id));
  let last: TombstoneRecord | undefined;
  for (const tombstone of state.all("tombstone")) {
    const { container, removeTimeMs } = tombstone;
    const isMeant = container.id === id && isAt(container.address, typed);
    if (isMeant && removeTimeMs >= (last?.removeTimeMs ?? 0)) last = tombstone;
  }
  return last;
}

/** Whether an address is one that a caller typed with or without the port. */
export const isAt = ({ host, port }: ContainerRecord["address"], typed: TypedContainer): boolean =>
  host === typed.host && (typed.port === undefined || port === typed.port);

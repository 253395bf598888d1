import { ContainerError } from "../errors.js";
import { containerName } from "../names.js";
import type { ContainerRecord } from "../records.js";

export const notTracked = (name: string): ContainerError =>
  new ContainerError("CONTAINER_NOT_TRACKED", "the container is not tracked", {
    metadata: { container: name },
  });

/** @param httpStatus absent = another gateway asked */
export function removalRefused(record: ContainerRecord, httpStatus?: number): ContainerError {
  const status = httpStatus === undefined ? {} : { http_status: String(httpStatus) };
  return new ContainerError("REMOVE_FAILED", "the node did not remove the container; it stays tracked", {
    metadata: { container: shownName(record), ...status },
  });
}

export const removalUnknown = (record: ContainerRecord, cause?: unknown): ContainerError =>
  new ContainerError(
    "REMOVE_OUTCOME_UNKNOWN",
    "the removal was sent, and no readable answer came; the container stays tracked",
    { metadata: { container: shownName(record) }, cause },
  );

const shownName = (record: ContainerRecord): string => containerName(record.address, record.id);

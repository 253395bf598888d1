import { nodeName } from "../../peer-api/address.js";
import { ContainerError } from "../errors.js";
import { intentName } from "../names.js";
import type { IntentRecord } from "../records.js";

type Place = Pick<IntentRecord, "id" | "address">;

/** A container may run, and nobody knows. */
export const outcomeUnknown = ({ address, id }: Place, why: string, cause?: unknown): ContainerError =>
  new ContainerError("CREATE_OUTCOME_UNKNOWN", `a container may run, nobody knows: ${why}`, {
    metadata: { intent: intentName(address, id), node: nodeName(address) },
    cause,
  });

/** @param open the intent that stays listed; absent = no container exists */
export const refused = (httpStatus: number, open: string | undefined): ContainerError =>
  new ContainerError(
    "NODE_REFUSED_REQUEST",
    open === undefined
      ? "the node refused; no container was made"
      : "the node refused, and may have made a container all the same",
    { metadata: { http_status: String(httpStatus), ...(open === undefined ? {} : { intent: open }) } },
  );

export const imageNotOffered = (image: string): ContainerError =>
  new ContainerError("IMAGE_NOT_OFFERED", "the node has no such image; ListImages tells which it has", {
    field: "spec.image",
    metadata: { image },
  });

/** @param container name of the container that was removed again */
export const rolledBack = (container: string, httpStatus: number): ContainerError =>
  new ContainerError(
    "CREATE_ROLLED_BACK",
    "the node answered with an error and made a container all the same, which was removed again",
    { metadata: { container, http_status: String(httpStatus) } },
  );

/** @param container name of the container that stays tracked */
export const notRolledBack = (container: string, httpStatus: number, cause?: unknown): ContainerError =>
  new ContainerError(
    "NODE_REFUSED_REQUEST",
    "the node answered with an error, made a container all the same, and did not remove it again",
    { metadata: { container, http_status: String(httpStatus) }, cause },
  );

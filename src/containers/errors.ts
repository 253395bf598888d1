/** Why a whole call failed. `rpc/errors.ts` gives each its gRPC code. */
export type ContainerReason =
  | "INVALID_CONTAINER_NAME"
  | "INVALID_GROUP_NAME"
  | "INVALID_SPEC"
  | "INVALID_FILTER"
  | "INVALID_ORDER_BY"
  | "INVALID_PAGE_TOKEN"
  | "INVALID_REVISION"
  | "REQUEST_ID_REUSED"
  | "CONTAINER_NOT_TRACKED"
  /** Its id is not known: it can only be forgotten. */
  | "CONTAINER_UNRESOLVED"
  /** It has no such port. */
  | "PORT_NOT_FOUND"
  /** It has not as many ports without a use as a plugin takes. */
  | "PORTS_EXHAUSTED"
  | "GROUP_NOT_FOUND"
  | "GROUP_FULL"
  | "TOO_MANY_GROUPS"
  | "ETAG_MISMATCH"
  | "STATE_CONFLICT"
  /** The node refused the creation; metadata `intent` where a container may exist all the same. */
  | "NODE_REFUSED_REQUEST"
  | "IMAGE_NOT_OFFERED"
  | "CREATE_OUTCOME_UNKNOWN"
  /** The node refused, made a container all the same, and it was removed again. */
  | "CREATE_ROLLED_BACK"
  | "GATEWAY_KEY_UNUSABLE"
  | "REMOVE_FAILED"
  | "REMOVE_OUTCOME_UNKNOWN"
  /** Sent, and no readable answer came: a port may be mapped, and nobody knows where. */
  | "MAP_OUTCOME_UNKNOWN"
  | "TOO_MANY_PORT_MAPS"
  | "SLOW_CONSUMER"
  | "TOO_MANY_CREATES"
  | "TOO_MANY_WATCHERS"
  | "DRAINING";

export interface ContainerErrorOptions {
  /** Request field at fault, in the contract's spelling. */
  readonly field?: string;
  /** Ids involved; short, and never a secret. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The failure of a whole call to this room. */
export class ContainerError extends Error {
  override readonly name = "ContainerError";
  readonly reason: ContainerReason;
  readonly field: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: ContainerReason, message: string, options: ContainerErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.field = options.field;
    this.metadata = options.metadata ?? {};
  }
}

/** No new work is taken, and waits end. */
export const drainingError = (): ContainerError =>
  new ContainerError("DRAINING", "the gateway is about to stop");

/**
 * Whoever drains waits for what was begun by then. To be called last before that, without a turn of the event loop in
 * between: what comes later nobody waits for.
 *
 * @throws {ContainerError} DRAINING
 */
export function requireTaken(draining: AbortSignal): void {
  if (draining.aborted) throw drainingError();
}

import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import type { ContainerError, ContainerReason } from "../containers/errors.js";
import type { P2pError, P2pReason } from "../p2p/errors.js";
import type { PeerError, PeerFailure } from "../peer-api/errors.js";
import type { PluginError, PluginReason } from "../plugins/errors.js";
import type { StoreError, StoreReason } from "../store/errors.js";

/** Domain of every ErrorInfo of this service. */
export const errorDomain = "client.p2prc";

/** Why a call failed, for programs. Everything a caller may see is listed here. */
export type Reason =
  | P2pReason
  | ContainerReason
  | PluginReason
  | Exclude<StoreReason, "INVALID_COMMIT" | "STATE_TOO_LARGE">
  | "NODE_UNREACHABLE"
  | "NODE_CONNECTION_LOST"
  | "NODE_TIMEOUT"
  | "NODE_REFUSED_REQUEST"
  | "NODE_BAD_BODY"
  | "NODE_BODY_TOO_LARGE"
  | "INVALID_REQUEST"
  | "DEADLINE_EXCEEDED"
  | "CANCELED"
  | "INTERNAL";

/** The only place where our reasons become gRPC codes. docs/errors.md lists the same rows; a test compares both ways. */
export const codeOf = {
  NODE_UNREACHABLE: Code.Unavailable,
  NODE_CONNECTION_LOST: Code.Unavailable,
  NODE_TIMEOUT: Code.Unavailable,
  NODE_REFUSED_REQUEST: Code.FailedPrecondition,
  NODE_BAD_BODY: Code.Internal,
  NODE_BODY_TOO_LARGE: Code.ResourceExhausted,
  NODE_NOT_FOUND: Code.NotFound,
  ADDRESS_BLOCKED: Code.PermissionDenied,
  INVALID_ADDRESS: Code.InvalidArgument,
  INVALID_PAGE_TOKEN: Code.InvalidArgument,
  INVALID_FILTER: Code.InvalidArgument,
  INVALID_ORDER_BY: Code.InvalidArgument,
  INVALID_REQUEST: Code.InvalidArgument,
  ETAG_MISMATCH: Code.Aborted,
  TOO_MANY_CRAWLS: Code.ResourceExhausted,
  RESUME_EXPIRED: Code.OutOfRange,
  INVALID_RESUME_TOKEN: Code.InvalidArgument,
  IP_TABLE_FULL: Code.ResourceExhausted,
  IP_TABLE_UNREADABLE: Code.FailedPrecondition,
  IP_TABLE_READ_ONLY: Code.FailedPrecondition,
  DISK_FULL: Code.ResourceExhausted,
  DRAINING: Code.Unavailable,
  INVALID_CONTAINER_NAME: Code.InvalidArgument,
  INVALID_GROUP_NAME: Code.InvalidArgument,
  INVALID_SPEC: Code.InvalidArgument,
  INVALID_REVISION: Code.InvalidArgument,
  REQUEST_ID_REUSED: Code.InvalidArgument,
  CONTAINER_NOT_TRACKED: Code.NotFound,
  CONTAINER_UNRESOLVED: Code.FailedPrecondition,
  PORT_NOT_FOUND: Code.NotFound,
  IMAGE_NOT_OFFERED: Code.NotFound,
  PORTS_EXHAUSTED: Code.FailedPrecondition,
  GROUP_NOT_FOUND: Code.NotFound,
  GROUP_FULL: Code.InvalidArgument,
  TOO_MANY_GROUPS: Code.InvalidArgument,
  STATE_CONFLICT: Code.Aborted,
  CREATE_OUTCOME_UNKNOWN: Code.Unknown,
  CREATE_ROLLED_BACK: Code.FailedPrecondition,
  GATEWAY_KEY_UNUSABLE: Code.FailedPrecondition,
  REMOVE_FAILED: Code.FailedPrecondition,
  REMOVE_OUTCOME_UNKNOWN: Code.Unknown,
  MAP_OUTCOME_UNKNOWN: Code.Unknown,
  TOO_MANY_PORT_MAPS: Code.ResourceExhausted,
  SLOW_CONSUMER: Code.ResourceExhausted,
  TOO_MANY_CREATES: Code.ResourceExhausted,
  TOO_MANY_WATCHERS: Code.ResourceExhausted,
  INVALID_PLUGIN_NAME: Code.InvalidArgument,
  INVALID_VARIABLE: Code.InvalidArgument,
  INVALID_FAILURE_POLICY: Code.InvalidArgument,
  PLUGIN_NOT_FOUND: Code.NotFound,
  PLUGIN_BROKEN: Code.FailedPrecondition,
  PLUGIN_PATH_UNREADABLE: Code.FailedPrecondition,
  TOO_MANY_TARGETS: Code.InvalidArgument,
  TOO_MANY_RUNS: Code.ResourceExhausted,
  RUN_UNDER_WAY: Code.Aborted,
  RUN_ELSEWHERE: Code.FailedPrecondition,
  RUN_INTERRUPTED: Code.Unknown,
  PERMISSION: Code.PermissionDenied,
  INVALID_PLUGIN_URL: Code.InvalidArgument,
  PLUGIN_EXISTS: Code.AlreadyExists,
  GIT_MISSING: Code.FailedPrecondition,
  INSTALL_FAILED: Code.FailedPrecondition,
  ANSIBLE_MISSING: Code.FailedPrecondition,
  SSHPASS_MISSING: Code.FailedPrecondition,
  SSH_NOT_OFFERED: Code.FailedPrecondition,
  SSH_UNREACHABLE: Code.Unavailable,
  SSH_PASSWORD_REFUSED: Code.FailedPrecondition,
  CONTAINER_KEY_NOT_HELD: Code.FailedPrecondition,
  HOST_KEY_CHANGED: Code.FailedPrecondition,
  TASK_FAILED: Code.Aborted,
  TARGET_TIMEOUT: Code.DeadlineExceeded,
  TARGET_NOT_STARTED: Code.Aborted,
  NO_PLAY_FOR_TARGET: Code.FailedPrecondition,
  PLAYBOOK_FAILED: Code.FailedPrecondition,
  STATE_STORE_UNAVAILABLE: Code.Unavailable,
  STATE_READ_ONLY: Code.FailedPrecondition,
  STATE_UNREADABLE: Code.FailedPrecondition,
  REVISION_COMPACTED: Code.OutOfRange,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  CANCELED: Code.Canceled,
  INTERNAL: Code.Internal,
} as const satisfies Record<Reason, Code>;

/** What the failure of a call to a node means to the caller of a unary RPC. */
const reasonOfFailure = {
  DNS: "NODE_UNREACHABLE",
  CONNECTION_REFUSED: "NODE_UNREACHABLE",
  NO_ROUTE: "NODE_UNREACHABLE",
  CONNECTION_RESET: "NODE_CONNECTION_LOST",
  TIMEOUT: "NODE_TIMEOUT",
  HTTP_STATUS: "NODE_REFUSED_REQUEST",
  BAD_BODY: "NODE_BAD_BODY",
  TOO_LARGE: "NODE_BODY_TOO_LARGE",
  ADDRESS_BLOCKED: "ADDRESS_BLOCKED",
  CANCELED: "CANCELED",
} as const satisfies Record<PeerFailure, Reason>;

/** Where nothing was sent, how it came about is all the same. */
const reasonOf = (why: PeerFailure, wasSent: boolean): Reason =>
  !wasSent && (why === "TIMEOUT" || why === "CONNECTION_RESET") ? "NODE_UNREACHABLE" : reasonOfFailure[why];

/** When a caller may try again, in seconds, by code. */
const retryAfterSeconds: Partial<Record<Code, bigint>> = {
  [Code.Unavailable]: 1n,
  [Code.ResourceExhausted]: 5n,
};

/** What is wrong with one field of a request. */
export interface FieldViolation {
  /** Path in the contract's spelling. Example: `seed_addresses[2]`. */
  readonly field: string;
  readonly description: string;
}

export interface FailureOptions {
  readonly violations?: readonly FieldViolation[];
  /** Ids involved. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/**
 * Makes the error that callers see. All details together stay far below the 4 KiB that gRPC clients take: a larger one
 * breaks their connection.
 */
export function failure(reason: Reason, message: string, options: FailureOptions = {}): ConnectError {
  const code: Code = codeOf[reason];
  const retryAfter = retryAfterSeconds[code];
  const violations = (options.violations ?? []).slice(0, 8).map(({ field, description }) => ({
    field: clip(field, 100),
    description: clip(description, 150),
  }));
  const details = [
    detail(ErrorInfoSchema, { reason, domain: errorDomain, metadata: clipped(options.metadata ?? {}) }),
    ...(violations.length === 0 ? [] : [detail(BadRequestSchema, { fieldViolations: violations })]),
    ...(retryAfter === undefined ? [] : [detail(RetryInfoSchema, { retryDelay: { seconds: retryAfter } })]),
  ];
  return new ConnectError(clip(message, 500), code, undefined, details, options.cause);
}

/**
 * Turns whatever was thrown into the error that callers see. An unknown one becomes "internal error": its text and
 * cause go to the log only.
 *
 * @param signal the call's own: tells the caller's deadline and departure from a failure of ours
 */
export function toConnectError(error: unknown, signal: AbortSignal): ConnectError {
  // What only waits for others throws the signal's own reason, which is a ConnectError without details.
  const isReason = signal.aborted && error === signal.reason;
  if (isNamed(error, "ConnectError") && !isReason) return error as ConnectError;
  if (signal.aborted) return callOver(signal, error);
  if (isNamed(error, "StoreError")) {
    const { reason, message, metadata } = error as StoreError;
    // A commit that we put together wrongly is a fault of ours.
    if (reason !== "INVALID_COMMIT" && reason !== "STATE_TOO_LARGE")
      return failure(reason, message, { metadata, cause: error });
  }
  if (["P2pError", "ContainerError", "PluginError"].some((name) => isNamed(error, name))) {
    const { reason, message, field, metadata } = error as P2pError | ContainerError | PluginError;
    const violations = field === undefined ? [] : [{ field, description: message }];
    const isBadRequest = (codeOf[reason] as Code) === Code.InvalidArgument;
    return failure(reason, message, { violations: isBadRequest ? violations : [], metadata, cause: error });
  }
  if (isNamed(error, "PeerError")) {
    const { failure: why, message, httpStatus, wasSent } = error as PeerError;
    const metadata: Record<string, string> =
      httpStatus === undefined ? {} : { http_status: String(httpStatus) };
    return failure(reasonOf(why, wasSent), `the call to the node failed: ${message}`, {
      metadata,
      cause: error,
    });
  }
  return failure("INTERNAL", "internal error", { cause: error });
}

/** The caller's deadline came, or the caller left: nothing that happens then is a failure of a node. */
function callOver(signal: AbortSignal, cause: unknown): ConnectError {
  const { reason } = signal as { reason: unknown };
  const isDeadline =
    reason instanceof Object && (reason as { code?: unknown }).code === Code.DeadlineExceeded;
  return isDeadline
    ? failure("DEADLINE_EXCEEDED", "the call's deadline was exceeded", { cause })
    : failure("CANCELED", "the call was canceled", { cause });
}

/** Judged by name: classes differ between copies of a package and realms. */
const isNamed = (error: unknown, name: string): boolean =>
  error instanceof Object && (error as { name?: unknown }).name === name;

const detail = <Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>) => ({
  desc,
  value: create(desc, value) as MessageInitShape<Desc>,
});

/** Cuts a text to so many bytes of UTF-8, on a whole character. */
function clip(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const cut = Buffer.from(text)
    .subarray(0, maxBytes - 3)
    .toString();
  return `${cut.replace(/\ufffd+$/, "")}...`;
}

const clipped = (metadata: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata)
      .slice(0, 8)
      .map(([key, value]) => [clip(key, 40), clip(value, 150)]),
  );

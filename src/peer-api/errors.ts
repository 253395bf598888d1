/** Why a call to a node failed. The crawl reports it as data; a unary RPC raises it. */
export type PeerFailure =
  | "DNS"
  | "CONNECTION_REFUSED"
  | "CONNECTION_RESET"
  | "NO_ROUTE"
  | "TIMEOUT"
  | "HTTP_STATUS"
  | "BAD_BODY"
  | "TOO_LARGE"
  | "ADDRESS_BLOCKED"
  | "CANCELED";

export interface PeerErrorOptions {
  /** Status of the node's answer, if one came. */
  readonly httpStatus?: number | undefined;
  /** Whether a byte of the request can have reached the node. @default true */
  readonly wasSent?: boolean;
  readonly cause?: unknown;
}

/** The failure of one call to one node. Its message is ours and never holds text of the node. */
export class PeerError extends Error {
  override readonly name = "PeerError";
  readonly failure: PeerFailure;
  readonly httpStatus: number | undefined;
  readonly wasSent: boolean;

  constructor(failure: PeerFailure, message: string, options: PeerErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.failure = failure;
    this.httpStatus = options.httpStatus;
    this.wasSent = options.wasSent ?? true;
  }
}

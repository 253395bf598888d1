/** Why a whole call failed. `rpc/errors.ts` gives each its gRPC code. */
export type P2pReason =
  | "ADDRESS_BLOCKED"
  | "INVALID_ADDRESS"
  | "INVALID_PAGE_TOKEN"
  | "INVALID_FILTER"
  | "INVALID_ORDER_BY"
  | "NODE_NOT_FOUND"
  | "ETAG_MISMATCH"
  | "TOO_MANY_CRAWLS"
  | "RESUME_EXPIRED"
  | "INVALID_RESUME_TOKEN"
  | "IP_TABLE_FULL"
  | "IP_TABLE_UNREADABLE"
  | "IP_TABLE_READ_ONLY"
  | "DISK_FULL"
  | "DRAINING";

export interface P2pErrorOptions {
  /** Request field at fault, in the contract's spelling. */
  readonly field?: string;
  /** Ids involved; short, and never a secret. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The failure of a whole call to this room. */
export class P2pError extends Error {
  override readonly name = "P2pError";
  readonly reason: P2pReason;
  readonly field: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: P2pReason, message: string, options: P2pErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.field = options.field;
    this.metadata = options.metadata ?? {};
  }
}

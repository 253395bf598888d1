import { PeerError, type PeerFailure } from "./errors.js";

/** What the codes of sockets, resolver and HTTP parser mean to us. `wasSent` false: no byte can have left. */
const failureOfCode: Readonly<Record<string, { failure: PeerFailure; wasSent: boolean; message: string }>> = {
  ENOTFOUND: { failure: "DNS", wasSent: false, message: "its name has no address" },
  EAI_AGAIN: { failure: "DNS", wasSent: false, message: "its name could not be resolved" },
  ERR_INVALID_URL: { failure: "DNS", wasSent: false, message: "its name is none" },
  ECONNREFUSED: { failure: "CONNECTION_REFUSED", wasSent: false, message: "nothing listens there" },
  ECONNRESET: { failure: "CONNECTION_RESET", wasSent: true, message: "the node cut the connection" },
  EPIPE: { failure: "CONNECTION_RESET", wasSent: true, message: "the node cut the connection" },
  ECONNABORTED: { failure: "CONNECTION_RESET", wasSent: true, message: "the connection was cut" },
  EHOSTUNREACH: { failure: "NO_ROUTE", wasSent: false, message: "no route to the node" },
  ENETUNREACH: { failure: "NO_ROUTE", wasSent: false, message: "no route to its network" },
  EADDRNOTAVAIL: {
    failure: "NO_ROUTE",
    wasSent: false,
    message: "this machine has no address to reach it from",
  },
  EACCES: { failure: "NO_ROUTE", wasSent: false, message: "this machine may not connect there" },
  EPERM: { failure: "NO_ROUTE", wasSent: false, message: "this machine may not connect there" },
  EINVAL: { failure: "NO_ROUTE", wasSent: false, message: "this machine cannot connect there" },
  ENETDOWN: { failure: "NO_ROUTE", wasSent: false, message: "this machine's network is down" },
  EMFILE: { failure: "NO_ROUTE", wasSent: false, message: "this machine has no socket left" },
  ENFILE: { failure: "NO_ROUTE", wasSent: false, message: "this machine has no socket left" },
  ETIMEDOUT: { failure: "TIMEOUT", wasSent: true, message: "no complete answer in time" },
  HPE_HEADER_OVERFLOW: {
    failure: "TOO_LARGE",
    wasSent: true,
    message: "the headers of the answer are too large",
  },
  ABORT_ERR: { failure: "CANCELED", wasSent: true, message: "canceled" },
  ERR_ABORTED: { failure: "CANCELED", wasSent: true, message: "canceled" },
};

/** Causes looked at: a chain could be a ring. */
const maxCauses = 8;

/**
 * Turns whatever a call threw into a `PeerError`. Judged by codes, down the chain of causes, and not by class: errors
 * of other realms and wrapped ones would be missed.
 */
export function toPeerError(error: unknown): PeerError {
  let inner = error;
  for (let depth = 0; depth < maxCauses && typeof inner === "object" && inner !== null; depth += 1) {
    if (inner instanceof PeerError) return inner;
    const { code, name, cause } = inner as { code?: unknown; name?: unknown; cause?: unknown };
    inner = cause;
    if (name === "AbortError") return new PeerError("CANCELED", "canceled", { cause: error });
    if (typeof code !== "string") continue;
    const known = failureOfCode[code];
    if (known !== undefined)
      return new PeerError(known.failure, known.message, { wasSent: known.wasSent, cause: error });
    if (code.startsWith("HPE_")) return new PeerError("BAD_BODY", "the answer is not HTTP", { cause: error });
  }
  return new PeerError("CONNECTION_RESET", "the connection failed", { cause: error });
}

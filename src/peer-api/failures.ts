import { PeerError, type PeerFailure } from "./errors.js";

/** What the codes of sockets, resolver and HTTP parser mean to us. */
const failureOfCode: Readonly<Record<string, { failure: PeerFailure; message: string }>> = {
  ENOTFOUND: { failure: "DNS", message: "its name has no address" },
  EAI_AGAIN: { failure: "DNS", message: "its name could not be resolved" },
  ERR_INVALID_URL: { failure: "DNS", message: "its name is none" },
  ECONNREFUSED: { failure: "CONNECTION_REFUSED", message: "nothing listens there" },
  ECONNRESET: { failure: "CONNECTION_RESET", message: "the node cut the connection" },
  EPIPE: { failure: "CONNECTION_RESET", message: "the node cut the connection" },
  ECONNABORTED: { failure: "CONNECTION_RESET", message: "the connection was cut" },
  EHOSTUNREACH: { failure: "NO_ROUTE", message: "no route to the node" },
  ENETUNREACH: { failure: "NO_ROUTE", message: "no route to its network" },
  EADDRNOTAVAIL: {
    failure: "NO_ROUTE",
    message: "this machine has no address to reach it from",
  },
  EACCES: { failure: "NO_ROUTE", message: "this machine may not connect there" },
  EPERM: { failure: "NO_ROUTE", message: "this machine may not connect there" },
  EINVAL: { failure: "NO_ROUTE", message: "this machine cannot connect there" },
  ENETDOWN: { failure: "NO_ROUTE", message: "this machine's network is down" },
  EMFILE: { failure: "NO_ROUTE", message: "this machine has no socket left" },
  ENFILE: { failure: "NO_ROUTE", message: "this machine has no socket left" },
  ETIMEDOUT: { failure: "TIMEOUT", message: "no complete answer in time" },
  HPE_HEADER_OVERFLOW: {
    failure: "TOO_LARGE",
    message: "the headers of the answer are too large",
  },
  ABORT_ERR: { failure: "CANCELED", message: "canceled" },
  ERR_ABORTED: { failure: "CANCELED", message: "canceled" },
};

/** Causes looked at: a chain could be a ring. */
const maxCauses = 8;

/**
 * Turns whatever a call threw into a `PeerError`. Judged by codes, down the chain of causes, and not by class: errors
 * of other realms and wrapped ones would be missed.
 *
 * @param wasSent whether a byte of the request can have left: no code tells, see `Departure`
 */
export function toPeerError(error: unknown, { wasSent }: { readonly wasSent: boolean }): PeerError {
  let inner = error;
  for (let depth = 0; depth < maxCauses && typeof inner === "object" && inner !== null; depth += 1) {
    if (inner instanceof PeerError) return withDeparture(inner, wasSent);
    const { code, name, cause } = inner as { code?: unknown; name?: unknown; cause?: unknown };
    inner = cause;
    if (name === "AbortError") return new PeerError("CANCELED", "canceled", { wasSent, cause: error });
    if (typeof code !== "string") continue;
    const known = failureOfCode[code];
    if (known !== undefined) return new PeerError(known.failure, known.message, { wasSent, cause: error });
    if (code.startsWith("HPE_")) {
      return new PeerError("BAD_BODY", "the answer is not HTTP", { wasSent, cause: error });
    }
  }
  return new PeerError("CONNECTION_RESET", "the connection failed", { wasSent, cause: error });
}

function withDeparture(error: PeerError, wasSent: boolean): PeerError {
  if (error.wasSent === wasSent) return error;
  const { failure, message, httpStatus, cause } = error;
  return new PeerError(failure, message, { httpStatus, wasSent, cause });
}

import { describe, expect, it } from "@jest/globals";
import { PeerError, type PeerFailure } from "../../../src/peer-api/errors.js";
import { toPeerError } from "../../../src/peer-api/failures.js";

const failureOf = (thrown: unknown): PeerError => toPeerError(thrown, { wasSent: true });

const withCode = (code: string, cause?: unknown): Error =>
  Object.assign(new Error("text of a stranger", { cause }), { code });

const known: [string, PeerFailure][] = [
  ["ENOTFOUND", "DNS"],
  ["EAI_AGAIN", "DNS"],
  ["ERR_INVALID_URL", "DNS"],
  ["ECONNREFUSED", "CONNECTION_REFUSED"],
  ["ECONNRESET", "CONNECTION_RESET"],
  ["EPIPE", "CONNECTION_RESET"],
  ["ECONNABORTED", "CONNECTION_RESET"],
  ["EHOSTUNREACH", "NO_ROUTE"],
  ["ENETUNREACH", "NO_ROUTE"],
  ["EADDRNOTAVAIL", "NO_ROUTE"],
  ["EACCES", "NO_ROUTE"],
  ["EPERM", "NO_ROUTE"],
  ["EINVAL", "NO_ROUTE"],
  ["ENETDOWN", "NO_ROUTE"],
  ["EMFILE", "NO_ROUTE"],
  ["ENFILE", "NO_ROUTE"],
  ["ETIMEDOUT", "TIMEOUT"],
  ["HPE_HEADER_OVERFLOW", "TOO_LARGE"],
  ["HPE_INVALID_CONSTANT", "BAD_BODY"],
  ["ABORT_ERR", "CANCELED"],
  ["ERR_ABORTED", "CANCELED"],
  ["ESOMETHING", "CONNECTION_RESET"],
];

describe("the failure of a call", () => {
  it.each(known)("%s is %s", (code, failure) => {
    expect(failureOf(withCode(code)).failure).toBe(failure);
  });

  it.each([...known.map(([code]) => withCode(code)), new PeerError("TIMEOUT", "late"), "text"])(
    "takes from its caller, and from no code, whether something was sent: %s",
    (thrown) => {
      for (const wasSent of [true, false]) expect(toPeerError(thrown, { wasSent }).wasSent).toBe(wasSent);
    },
  );

  it("is found down the chain of causes", () => {
    expect(failureOf(withCode("ERR_GOT_REQUEST_ERROR", withCode("ECONNREFUSED"))).failure).toBe(
      "CONNECTION_REFUSED",
    );
    const ours = new PeerError("ADDRESS_BLOCKED", "no");
    expect(failureOf(withCode("ERR_GOT_REQUEST_ERROR", ours))).toBe(ours);
  });

  it("is told by codes, so that an error of another realm counts too", () => {
    const foreign: unknown = Object.assign(Object.create(null) as object, { code: "ECONNREFUSED" });
    expect(failureOf(foreign).failure).toBe("CONNECTION_REFUSED");
  });

  it("of an aborted signal is a cancellation", () => {
    expect(failureOf(AbortSignal.abort().reason).failure).toBe("CANCELED");
  });

  it.each([undefined, null, "text", 5, {}])(
    "is a failed connection where nobody knows better: %j",
    (thrown) => {
      expect(failureOf(thrown).failure).toBe("CONNECTION_RESET");
    },
  );

  it("ends even where causes run in a ring", () => {
    const error = withCode("E1");
    error.cause = withCode("E2", error);
    expect(failureOf(error).failure).toBe("CONNECTION_RESET");
  });

  it("never repeats what the stranger said", () => {
    for (const [code] of known) expect(failureOf(withCode(code)).message).not.toContain("stranger");
  });
});

import { describe, expect, it } from "@jest/globals";
import { PeerError, type PeerFailure } from "../../../src/peer-api/errors.js";
import { toPeerError } from "../../../src/peer-api/failures.js";

const withCode = (code: string, cause?: unknown): Error =>
  Object.assign(new Error("text of a stranger", { cause }), { code });

const known: [string, PeerFailure, boolean][] = [
  ["ENOTFOUND", "DNS", false],
  ["EAI_AGAIN", "DNS", false],
  ["ERR_INVALID_URL", "DNS", false],
  ["ECONNREFUSED", "CONNECTION_REFUSED", false],
  ["ECONNRESET", "CONNECTION_RESET", true],
  ["EPIPE", "CONNECTION_RESET", true],
  ["ECONNABORTED", "CONNECTION_RESET", true],
  ["EHOSTUNREACH", "NO_ROUTE", false],
  ["ENETUNREACH", "NO_ROUTE", false],
  ["EADDRNOTAVAIL", "NO_ROUTE", false],
  ["EACCES", "NO_ROUTE", false],
  ["EPERM", "NO_ROUTE", false],
  ["EINVAL", "NO_ROUTE", false],
  ["ENETDOWN", "NO_ROUTE", false],
  ["EMFILE", "NO_ROUTE", false],
  ["ENFILE", "NO_ROUTE", false],
  ["ETIMEDOUT", "TIMEOUT", true],
  ["HPE_HEADER_OVERFLOW", "TOO_LARGE", true],
  ["HPE_INVALID_CONSTANT", "BAD_BODY", true],
  ["ABORT_ERR", "CANCELED", true],
  ["ERR_ABORTED", "CANCELED", true],
  ["ESOMETHING", "CONNECTION_RESET", true],
];

describe("the failure of a call", () => {
  it.each(known)("%s is %s", (code, failure, wasSent) => {
    expect(toPeerError(withCode(code))).toMatchObject({ failure, wasSent });
  });

  it("is found down the chain of causes", () => {
    expect(toPeerError(withCode("ERR_GOT_REQUEST_ERROR", withCode("ECONNREFUSED"))).failure).toBe(
      "CONNECTION_REFUSED",
    );
    const ours = new PeerError("ADDRESS_BLOCKED", "no", { wasSent: false });
    expect(toPeerError(withCode("ERR_GOT_REQUEST_ERROR", ours))).toBe(ours);
  });

  it("is told by codes, so that an error of another realm counts too", () => {
    const foreign: unknown = Object.assign(Object.create(null) as object, { code: "ECONNREFUSED" });
    expect(toPeerError(foreign).failure).toBe("CONNECTION_REFUSED");
  });

  it("of an aborted signal is a cancellation", () => {
    expect(toPeerError(AbortSignal.abort().reason).failure).toBe("CANCELED");
  });

  it.each([undefined, null, "text", 5, {}])(
    "is a failed connection where nobody knows better: %j",
    (thrown) => {
      expect(toPeerError(thrown).failure).toBe("CONNECTION_RESET");
    },
  );

  it("ends even where causes run in a ring", () => {
    const error = withCode("E1");
    error.cause = withCode("E2", error);
    expect(toPeerError(error).failure).toBe("CONNECTION_RESET");
  });

  it("never repeats what the stranger said", () => {
    for (const [code] of known) expect(toPeerError(withCode(code)).message).not.toContain("stranger");
  });
});

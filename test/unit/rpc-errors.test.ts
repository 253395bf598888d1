import { describe, expect, it } from "@jest/globals";
import { type DescMessage, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../src/gen/google/rpc/error_details_pb.js";
import { codeOf, errorDomain, failure, type Reason, toConnectError } from "../../src/rpc/errors.js";

const reasons = Object.keys(codeOf) as Reason[];
const alive = new AbortController().signal;
const violations = [{ field: "node", description: "wrong" }];

/** Bytes of all details together, type names not counted. */
const detailBytes = (error: ConnectError): number =>
  bytesOf(error, ErrorInfoSchema) + bytesOf(error, BadRequestSchema) + bytesOf(error, RetryInfoSchema);

const bytesOf = (error: ConnectError, schema: DescMessage): number =>
  error.findDetails(schema).reduce((sum, value) => sum + toBinary(schema, value).length, 0);

describe.each(reasons)("the reason %s", (reason) => {
  it("has a code and stands in the details", () => {
    const error = failure(reason, "text", { metadata: { node: "nodes/a" } });
    expect(Code[error.code]).toBeDefined();
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason, domain: errorDomain, metadata: { node: "nodes/a" } },
    ]);
  });

  it("says when to try again exactly where that helps", () => {
    const error = failure(reason, "text");
    const helps = [Code.Unavailable, Code.ResourceExhausted].includes(error.code);
    expect(error.findDetails(RetryInfoSchema)).toHaveLength(helps ? 1 : 0);
  });
});

describe("a call that is over", () => {
  it.each([
    ["its deadline came", Code.DeadlineExceeded, "DEADLINE_EXCEEDED"],
    ["its caller left", Code.Aborted, "CANCELED"],
  ] as const)("because %s says so, with details", (_, code, reason) => {
    const ending = new AbortController();
    ending.abort(new ConnectError("over", code));
    // What only waits throws the signal's reason itself; what calls a node throws that call's failure.
    for (const thrown of [ending.signal.reason, new Error("the node's socket is gone")]) {
      const error = toConnectError(thrown, ending.signal);
      expect(error.code).toBe(codeOf[reason]);
      expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, domain: errorDomain }]);
    }
  });

  it("keeps the error that it had been answered with before", () => {
    const ending = new AbortController();
    ending.abort(new ConnectError("over", Code.DeadlineExceeded));
    const answered = failure("NODE_NOT_FOUND", "text");
    expect(toConnectError(answered, ending.signal)).toBe(answered);
  });
});

describe("an error", () => {
  it("names the fields of a bad request", () => {
    const [badRequest] = failure("INVALID_REQUEST", "text", { violations }).findDetails(BadRequestSchema);
    expect(badRequest?.fieldViolations).toMatchObject(violations);
  });

  it.each(["x", "é", "漢", "😀"])(
    "keeps its details below 4 KiB, however much it tells in %s",
    (character) => {
      const long = character.repeat(50_000);
      const error = failure("INVALID_REQUEST", long, {
        metadata: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`${n}${long}`, long])),
        violations: Array.from({ length: 100 }, () => ({ field: long, description: long })),
      });
      expect(detailBytes(error)).toBeLessThanOrEqual(4096);
      expect(Buffer.byteLength(error.rawMessage)).toBeLessThanOrEqual(500);
      expect(error.rawMessage).not.toContain("\ufffd");
    },
  );

  it.each([new Error("secret"), "secret", { message: "secret" }, undefined, null])(
    "that nobody knows is internal and tells nothing: %p",
    (thrown) => {
      const error = toConnectError(thrown, alive);
      expect([error.rawMessage, error.code]).toEqual(["internal error", Code.Internal]);
      expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "INTERNAL", metadata: {} }]);
    },
  );
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { parseRemoveAnswer, parseStartAnswer } from "../../../src/peer-api/container-replies.js";
import type { RemoveAnswer, StartAnswer } from "../../../src/peer-api/contract.js";
import { PeerError } from "../../../src/peer-api/errors.js";
import type { NodeAnswer } from "../../../src/peer-api/node-request.js";

const json = readFileSync(new URL("../../fixtures/samples/docker-vm.2023-12.json", import.meta.url), "utf8");
const zero = readFileSync(
  new URL("../../fixtures/samples/docker-vm.2023-12.zero.json", import.meta.url),
  "utf8",
);
const id = "eqLNDEiVeXBBXHRpcpCBtU";

const answered = (httpStatus: number, body: string | Buffer): NodeAnswer => ({
  httpStatus,
  contentType: "text/plain",
  body: Buffer.from(body),
  elapsedMs: 1,
});
const started = (httpStatus: number, body: string | Buffer): StartAnswer =>
  parseStartAnswer(answered(httpStatus, body));
const removed = (httpStatus: number, body: string | Buffer): RemoveAnswer =>
  parseRemoveAnswer(answered(httpStatus, body));

function failureOf(work: () => unknown): PeerError {
  try {
    work();
  } catch (error) {
    if (error instanceof PeerError) return error;
    throw error;
  }
  throw new Error("nothing failed");
}

describe("the answer to an order", () => {
  it.each([json, ` ${json}\n`, `\ufeff${json}`])("is a container with status 200", (body) => {
    expect(started(200, body)).toMatchObject({ kind: "created", container: { id } });
  });

  it("is the first of two descriptions, as on the day when nodes behind a proxy sent both", () => {
    const both = json + json.replaceAll("44269", "50000");
    expect(started(200, both)).toMatchObject({ kind: "created", container: { id, sshPort: 44_269 } });
  });

  it.each([
    ["key missing", 500, `error: Publickey not passed${json}`, "Publickey not passed"],
    [
      "key spoiled",
      500,
      `error: illegal base64 data at input byte 2${json}`,
      "illegal base64 data at input byte 2",
    ],
    ["nothing said", 500, json, ""],
    ["another status", 503, json, ""],
    ["not found", 404, json, ""],
    ["a success of another kind", 201, json, ""],
    ["an error text under 200", 200, `error: x${json}`, "x"],
    ["an error text after it", 200, `${json}error: proxy IP not found`, "proxy IP not found"],
    ["both twice", 500, `error: x${json}${json}null`, "x"],
    ["an empty description before it", 500, `error: x${zero}${json}`, "x"],
    ["braces in the error text", 500, `error: {{index . 0}} "{": x${json}`, '{{index . 0}} "{": x'],
    ["a text between two documents", 500, `error: x${zero} and ${json}`, "x"],
    ["braces in its texts", 500, `error: x${json.replace("SSH Port", '}{\\"')}`, "x"],
  ])("is a container in spite of an error: %s", (_, status, body, message) => {
    expect(started(status, body)).toMatchObject({
      kind: "createdWithError",
      httpStatus: status,
      message,
      container: { id },
    });
  });

  it("is a container also where a text in it is no UTF-8", () => {
    const body = Buffer.from(json.replace("SSH Port", "SSH P\u00ffrt"), "latin1");
    expect(started(200, body)).toMatchObject({ kind: "created", container: { id } });
  });

  it.each([
    ["a build that failed", 500, "error: exit status 1null", "exit status 1"],
    [
      "an image that is not there",
      500,
      "error: Container nope does not exist in the servernull",
      "Container nope does not exist in the server",
    ],
    ["a route that is not there", 404, "404 page not found", "404 page not found"],
  ])("is a refusal after which nothing runs: %s", (_, status, body, message) => {
    expect(started(status, body)).toEqual({
      kind: "refused",
      httpStatus: status,
      message,
      mayRun: false,
      isImageUnknown: body.includes("does not exist in the server"),
    });
  });

  it.each([
    ["Docker could not run it", 500, "error: exit status 125null"],
    ["more than the measured text", 500, "error: exit status 1 and morenull"],
    ["no key, and then an error", 500, "error: Publickey not passederror: exit status 1null"],
    ["a number that is none", 500, 'error: strconv.Atoi: parsing "": invalid syntaxnull'],
    ["the measured text under another status", 502, "error: exit status 1null"],
    ["the measured text without its end", 500, "error: exit status 1"],
    ["a name that holds another text", 500, "error: Container a: b does not exist in the servernull"],
    ["a panic", 500, ""],
    ["a page of a proxy", 502, "<html>"],
    ["too many requests", 429, ""],
    ["a description without an id", 500, `error: x${zero}`],
    ["an id that is none", 500, `error: x${json.replace(id, "a;b")}`],
    ["a cut description", 500, `error: x${json.slice(0, -1)}`],
    [
      "a deep one",
      500,
      `error: x${json.replace('"SSHCommand":""', `"x":${"[".repeat(20)}${"]".repeat(20)}`)}`,
    ],
  ])("is a refusal after which one may run all the same: %s", (_, status, body) => {
    expect(started(status, body)).toMatchObject({ kind: "refused", httpStatus: status, mayRun: true });
  });

  it.each([
    ["nothing", ""],
    ["null", "null"],
    ["a list", `[${json}]`.slice(0, 1)],
    ["HTML", "<html>{}</html>"],
    ["an empty object", "{}"],
    ["an empty description", zero],
    ["an id that is none", json.replace(id, "a;b")],
    ["an id of two characters", json.replace(id, "ab")],
    ["an id that is a number", json.replace(`"${id}"`, "12345")],
    ["a cut description", json.slice(0, -1)],
    ["a deep one", json.replace('"SSHCommand":""', `"x":${"[".repeat(20)}${"]".repeat(20)}`)],
    ["60,000 open lists", `{"a":${"[".repeat(60_000)}`],
    ["60,000 open braces", "{".repeat(60_000)],
    ["an error alone", "error: exit status 1null"],
  ])("leaves open what happened with status 200 and %s", (_, body) => {
    expect(failureOf(() => started(200, body))).toMatchObject({
      failure: "BAD_BODY",
      httpStatus: 200,
      wasSent: true,
    });
  });

  it.each([204, 301, 302, 304])("leaves open what happened with status %d", (status) => {
    expect(failureOf(() => started(status, ""))).toMatchObject({
      failure: "HTTP_STATUS",
      httpStatus: status,
    });
  });

  it("costs little when it is 64 KiB of tricks", () => {
    const startMs = performance.now();
    for (const piece of ["{}", "{", '{"', '{"a":', "error: ", "{}null", "Container ", "null", "\n", '{"\\']) {
      const body = piece.repeat(Math.floor(65_536 / piece.length));
      started(500, body);
      started(500, `error: Container ${body}null`);
      removed(500, body);
    }
    expect(performance.now() - startMs).toBeLessThan(15_000);
  });
});

describe("the answer to a removal", () => {
  it.each([
    ["success", "success"],
    ["success\n", "success"],
    ["", ""],
    ["Removed", "Removed"],
  ])("is done with status 200 and %j", (body, message) => {
    expect(removed(200, body)).toEqual({ kind: "removed", message });
  });

  it.each([
    [500, "error: exit status 1success", "exit status 1"],
    [500, "error: Error: No such container: b4d1f00csuccess", "Error: No such container: b4d1f00c"],
    [500, "", ""],
    [404, "404 page not found", "404 page not found"],
    [200, "error: exit status 1success", "exit status 1"],
  ])("is a refusal with status %d and %j", (status, body, message) => {
    expect(removed(status, body)).toEqual({ kind: "refused", httpStatus: status, message });
  });

  it.each([204, 302])("leaves open what happened with status %d", (status) => {
    expect(failureOf(() => removed(status, "success"))).toMatchObject({
      failure: "HTTP_STATUS",
      httpStatus: status,
    });
  });
});

describe("what a node says beside it", () => {
  it("is clean, on one line, and short", () => {
    const nasty = `error: \u001b[31ma\u202e\n\tb\u0000 ${"x".repeat(10_000)}null`;
    const start = started(500, nasty) as { message: string };
    expect(start.message).toBe(`[31ma b ${"x".repeat(192)}`);
    expect(removed(500, nasty)).toMatchObject({ message: start.message });
    expect(started(500, `${nasty}${json}`)).toMatchObject({
      kind: "createdWithError",
      message: start.message,
    });
  });

  it("is data or a failure of our own kind, whatever it is", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "error: ",
        json,
        zero,
        "null",
        "success",
        "{",
        "}",
        '"',
        "\\",
        "[",
        "exit status 1",
        " ",
      ),
      fc.string({ unit: "binary" }),
      fc.json(),
    );
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
      fc.array(piece, { maxLength: 6 }).map((pieces) => Buffer.from(pieces.join(""))),
    );
    const status = fc.oneof(fc.constantFrom(200, 404, 500), fc.integer({ min: 200, max: 599 }));
    fc.assert(
      fc.property(status, body, (httpStatus, bytes) => {
        for (const parse of [parseStartAnswer, parseRemoveAnswer]) {
          try {
            const answer = parse(answered(httpStatus, bytes));
            if ("message" in answer) expect(answer.message.length).toBeLessThanOrEqual(200);
          } catch (error) {
            expect(error).toBeInstanceOf(PeerError);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

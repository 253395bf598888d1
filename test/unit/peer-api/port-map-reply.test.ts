import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { MapAnswer } from "../../../src/peer-api/contract.js";
import { PeerError } from "../../../src/peer-api/errors.js";
import { parseMapAnswer } from "../../../src/peer-api/port-map-reply.js";

const answered = (httpStatus: number, body: string | Buffer, isUdp = false): MapAnswer =>
  parseMapAnswer({ httpStatus, contentType: "text/plain", body: Buffer.from(body), elapsedMs: 1 }, isUdp);

function failureOf(work: () => unknown): PeerError {
  try {
    work();
  } catch (error) {
    if (error instanceof PeerError) return error;
    throw error;
  }
  throw new Error("nothing failed");
}

interface Sample {
  readonly route: string;
  readonly status: number;
  readonly body: string;
}

const errorBodies = JSON.parse(
  readFileSync(new URL("../../fixtures/samples/error-bodies.json", import.meta.url), "utf8"),
) as readonly Sample[];
const json = readFileSync(
  new URL("../../fixtures/samples/frp-port.2026-01-17.json", import.meta.url),
  "utf8",
);

describe("the answer to an order for a port", () => {
  it.each([
    ["198.51.100.9:40733", "198.51.100.9", 40_733],
    [" 198.51.100.9:40733\n", "198.51.100.9", 40_733],
    ["[2001:db8::9]:40733", "2001:db8::9", 40_733],
    // Nodes join address and port without brackets; the last colon is the port's.
    ["2001:DB8:0::9:4073", "2001:db8::9", 4_073],
    ["::ffff:198.51.100.9:40733", "198.51.100.9", 40_733],
    ["Proxy.Example.org:443", "proxy.example.org", 443],
  ])("%j is an address and a port", (body, host, port) => {
    expect(answered(200, body)).toEqual({ kind: "mapped", host, port });
  });

  it.each(["0.0.0.0:43585", "[::]:43585", ":43585", "43585"])(
    "%j is a port, and no address: the node's own is meant",
    (body) => {
      expect(answered(200, body)).toEqual({ kind: "mapped", host: "", port: 43_585 });
    },
  );

  it("is the JSON of 2026-01-17, whose port depends on what was asked for", () => {
    expect(answered(200, json)).toEqual({ kind: "mapped", host: "", port: 40_211 });
    expect(answered(200, json, true)).toEqual({ kind: "mapped", host: "", port: 40_212 });
    expect(answered(200, '{"ipaddress":"198.51.100.9","Port":40733,"UDPport":""}')).toEqual({
      kind: "mapped",
      host: "198.51.100.9",
      port: 40_733,
    });
  });

  it.each(errorBodies.filter(({ route }) => route === "GET /MAPPort" || route === "GET /FRPPort"))(
    "is a refusal with $status and $body",
    ({ status, body }) => {
      expect(answered(status, body)).toMatchObject({ kind: "refused", httpStatus: status });
    },
  );

  it("is a refusal with any status from 400 on, and with an error text under 200", () => {
    expect(answered(404, "404 page not found")).toMatchObject({ kind: "refused", httpStatus: 404 });
    expect(answered(502, "")).toEqual({ kind: "refused", httpStatus: 502, message: "" });
    expect(answered(200, "error: proxy IP not found")).toEqual({
      kind: "refused",
      httpStatus: 200,
      message: "proxy IP not found",
    });
  });

  it.each([
    "",
    "0",
    "198.51.100.9",
    "198.51.100.9:0",
    "198.51.100.9:70000",
    "198.51.100.9:4073x",
    "198.51.100.9:+4073",
    "999.1.1.1:40733",
    "0x7f.1:40733",
    "$(touch owned):40733",
    "a b:40733",
    "root@198.51.100.9:40733",
    "http://198.51.100.9:40733",
    "\u202e198.51.100.9:40733",
    "<html>",
    "{}",
    '{"IPAddress":"198.51.100.9"}',
    '{"IPAddress":7,"Port":"40733"}',
    '{"IPAddress":"198.51.100.9","Port":[40733]}',
    "{",
  ])("is unreadable as %j", (body) => {
    expect(failureOf(() => answered(200, body))).toMatchObject({ failure: "BAD_BODY", wasSent: true });
  });

  it("is neither an answer nor an error with a redirect or another success", () => {
    for (const status of [201, 204, 302])
      expect(failureOf(() => answered(status, "198.51.100.9:40733")).failure).toBe("HTTP_STATUS");
  });

  it("is read whatever a node sends, or refused by our own kind of error, never with its text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(200, 302, 404, 500), (bytes, status) => {
        try {
          const answer = answered(status, Buffer.from(bytes));
          if (answer.kind === "mapped") expect(answer.port).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerError);
        }
      }),
    );
  });
});

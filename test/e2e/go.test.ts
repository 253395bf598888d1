/** A Go client on connect-go, generated from the proto, over each protocol that it speaks. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type GatewayOnDevnet, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { buildGoClient } from "./foreign-tools.js";

const run = promisify(execFile);
let gateway: GatewayOnDevnet;
let program: string;

beforeAll(async () => {
  program = buildGoClient();
  gateway = await openGatewayOnDevnet({ devnet: { nodes: 6, shape: "chain", faults: { hang: 1 } } });
});

afterAll(async () => {
  await gateway.close();
});

describe("a Go client", () => {
  it.each([
    { protocol: "connect", httpVersion: "HTTP/1.1" },
    { protocol: "grpc", httpVersion: "HTTP/2.0" },
    { protocol: "grpcweb", httpVersion: "HTTP/1.1" },
  ])(
    "crawls, filters, reads refusals and leaves a stream over $protocol",
    async ({ protocol, httpVersion }) => {
      const { nodes, entryAddresses } = gateway.devnet;
      const [entry = ""] = entryAddresses;
      const healthy = nodes.filter(({ fault }) => fault === undefined);
      // Three look-ups from the entry node of a chain.
      const reached = healthy.slice(0, 4);
      const silent = nodes.find(({ fault }) => fault === "hang")?.address ?? "";
      const { stdout } = await run(program, [protocol, gateway.url, entry, silent]);
      const seen = JSON.parse(stdout) as Record<string, unknown> & { crawl: { sequences: number[] } };
      expect(seen.crawl.sequences).toEqual(seen.crawl.sequences.map((_, index) => index + 1));
      expect(seen).toEqual({
        httpVersion,
        // Hop 0 probes the table; three more look up.
        crawl: {
          sequences: expect.anything(),
          hopsCompleted: 4,
          active: reached.length,
          endReason: "END_REASON_FINISHED",
        },
        active: reached.map(({ address }) => `nodes/${address}`).sort(),
        entry: [`nodes/${entry}`],
        badFilter: {
          code: "invalid_argument",
          reason: "INVALID_FILTER",
          domain: "client.p2prc",
          field: "filter",
        },
        tooManyHops: {
          code: "invalid_argument",
          reason: "INVALID_REQUEST",
          domain: "client.p2prc",
          field: "max_hops",
        },
        // The gateway wrote its table because it saw the caller leave: the crawl itself would have gone on for a minute.
        cancelled: { code: "canceled", active: expect.any(Number) },
      });
    },
  );
});

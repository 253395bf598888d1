/** A caller who leaves a crawl, at any point and over any protocol, leaves no socket and no timer behind. */
import { getActiveResourcesInfo } from "node:process";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { createClient } from "@connectrpc/connect";
import { createRandom } from "../../src/devnet/random.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { Bandwidth_Mode } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { crawlLimits } from "../../src/p2p/limits.js";
import { type GatewayOnDevnet, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { openTransport, type WireForm } from "../support/transports.js";
import { eventually } from "../support/wire-crawls.js";

const forms: readonly WireForm[] = [
  { protocol: "Connect", format: "binary", http: "HTTP/1.1" },
  { protocol: "Connect", format: "JSON", http: "HTTP/2" },
  { protocol: "gRPC", format: "binary", http: "HTTP/2" },
];
const leaveCount = 50;
/** Beyond the hops of the crawl below: some leave while it measures. */
const longestStayMs = 400;
/** More than a busy machine takes, and less than a crawl that goes on: it measures for up to 20 s. */
const limitMs = 10_000;

let gateway: GatewayOnDevnet;

beforeAll(async () => {
  gateway = await openGatewayOnDevnet({
    devnet: {
      nodes: 24,
      seed: 6,
      delayMs: 3,
      // None that stops reading: its own end of a connection stays open, whatever its caller does.
      faults: { hang: 3, "hang-exchange": 3, drip: 2, "hang-download": 1 },
      bandwidthMbps: 40,
      uploadMbps: 40,
    },
  });
});
afterAll(() => gateway.close());

/** What keeps this process, with its gateway, its nodes and its callers, busy. */
function held(): { sockets: number; timers: number } {
  const kinds = getActiveResourcesInfo();
  const count = (pattern: RegExp): number => kinds.filter((kind) => pattern.test(kind)).length;
  return { sockets: count(/^(TCPSocketWrap|PipeWrap|TCPConnectWrap)$/), timers: count(/^Timeout$/) };
}

/** Crawls over a connection of its own, and leaves. @returns how long it took until all was as before */
async function leaveAfter(stayMs: number, form: WireForm, isBase: () => boolean): Promise<number> {
  const { transport, close } = openTransport(form, gateway.url);
  const leaving = new AbortController();
  const request = {
    seedAddresses: [...gateway.devnet.entryAddresses],
    nodeTimeout: { nanos: 150_000_000 },
    exchangeTimeout: { nanos: 150_000_000 },
    bandwidth: { mode: Bandwidth_Mode.MEASURE, maxAge: {} },
  };
  const reading = (async () => {
    for await (const _ of createClient(ClientService, transport).updateIpTable(request, leaving));
  })();
  const over = reading.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, stayMs));
  leaving.abort();
  await over;
  close();
  try {
    return await eventually(isBase, "all is as before", limitMs);
  } catch {
    const { sockets, timers } = held();
    throw new Error(
      `left ${form.protocol} over ${form.http} after ${stayMs} ms: still ${sockets} sockets, ${timers} timers`,
    );
  }
}

describe("a caller who leaves", () => {
  it(`at ${leaveCount} random points has its sockets freed and its timers stopped`, async () => {
    const random = createRandom(jest.getSeed() >>> 0);
    const point = (): number => random.below(longestStayMs);
    const base = held();
    // Kept for those who come back: paused crawls, each with its longest life, and paused and finished ones, until they
    // are dropped.
    const keptTimers = 3 * crawlLimits.maxCrawls;
    const isBase = (): boolean => {
      const now = held();
      return now.sockets <= base.sockets && now.timers <= base.timers + keptTimers;
    };
    const took: { tookMs: number; stayMs: number; form: string }[] = [];
    for (let count = 0; count < leaveCount; count += 1) {
      const [form, stayMs] = [forms[count % forms.length]!, point()];
      const tookMs = await leaveAfter(stayMs, form, isBase);
      took.push({ tookMs, stayMs, form: `${form.protocol} over ${form.http}` });
    }
    const slowest = took.reduce((a, b) => (b.tookMs > a.tookMs ? b : a));
    process.stdout.write(
      `seed ${jest.getSeed()}: slowest return to base ${slowest.tookMs.toFixed(0)} ms, left ${slowest.form} after ${slowest.stayMs} ms\n`,
    );
    expect(took).toHaveLength(leaveCount);
  });
});

import { EventEmitter, getEventListeners, once } from "node:events";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createClient } from "@connectrpc/connect";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { eventually } from "../support/container-bench.js";
import { abortOf, type ClientKind, GatewayBench, LIST_NODES, soon } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const LONG_MS = 60_000;

const kinds: ClientKind[] = [
  { protocol: "gRPC", format: "binary", httpVersion: "2" },
  { protocol: "gRPC-Web", format: "binary", httpVersion: "1.1" },
  { protocol: "Connect", format: "JSON", httpVersion: "1.1" },
];

describe.each(kinds)("closing with a $protocol stream under way over HTTP/$httpVersion", (kind) => {
  it("tells the stream, which sends its last message, and then ends at once", async () => {
    const gateway: Awaited<ReturnType<GatewayBench["open"]>> = await bench.open({
      service: {
        async *updateIpTable() {
          yield { sequence: 1n };
          await abortOf(gateway.shutdownSignal);
          yield { sequence: 2n };
        },
      },
    });
    const client = createClient(ClientService, bench.transport(kind, gateway.url));
    const sequence: bigint[] = [];
    let closing: Promise<void> | undefined;
    for await (const message of client.updateIpTable({})) {
      sequence.push(message.sequence);
      closing ??= gateway.close(LONG_MS);
    }

    expect(sequence).toEqual([1n, 2n]);
    await soon(closing!, "the close");
  });

  it("cuts a stream that does not end, after the grace", async () => {
    const gateway = await bench.open({
      service: {
        async *updateIpTable(_, { requestHeader }) {
          yield { sequence: BigInt([...requestHeader.keys()].length) };
          await new Promise(() => undefined);
        },
      },
    });
    const client = createClient(ClientService, bench.transport(kind, gateway.url));
    const stream = client.updateIpTable({})[Symbol.asyncIterator]();
    await stream.next();
    const rest = stream.next().catch((error: unknown) => error);
    await soon(gateway.close(100), "the close");

    expect(await rest).toMatchObject({ name: "ConnectError" });
  });
});

describe("closing", () => {
  it("sends GOAWAY on an idle HTTP/2 connection and does not wait for its client", async () => {
    const gateway = await bench.open({ limits: { farewellTimeoutMs: 100 } });
    const session = await bench.http2(gateway.url);
    await soon(once(session, "remoteSettings"), "the settings");
    const goaway = once(session, "goaway");
    const closing = gateway.close(LONG_MS);

    expect((await soon(goaway, "GOAWAY"))[0]).toBe(0);
    await soon(closing, "the close");
  });

  it("closes idle HTTP/1.1 connections and those that have not spoken", async () => {
    const gateway = await bench.open();
    const idle = await bench.raw(gateway.port);
    idle.socket.write("GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    await soon(idle.receive(/404/), "the answer");
    const silent = await bench.raw(gateway.port);
    await soon(gateway.close(LONG_MS), "the close");
    await soon(Promise.all([idle.closed, silent.closed]), "both ends");
  });

  it("lets a busy connection have its answer, takes no further call on it, and accepts no new connection", async () => {
    const calls = new EventEmitter();
    const isBusy = once(calls, "taken");
    const gateway: Awaited<ReturnType<GatewayBench["open"]>> = await bench.open({
      service: {
        listNodes: async () => {
          calls.emit("taken");
          await abortOf(gateway.shutdownSignal);
          return { nextPageToken: "done" };
        },
      },
    });
    const call = `POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    const client = await bench.raw(gateway.port);
    client.socket.write(call);
    // The first answer comes as the drain begins; the second call is already under way to us.
    gateway.shutdownSignal.addEventListener("abort", () => client.socket.write(call));
    await soon(isBusy, "the first call");
    const closing = gateway.close(LONG_MS);

    await expect(bench.raw(gateway.port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await soon(closing, "the close");
    expect(client.text).toContain('{"nextPageToken":"done"}');
    expect(client.text).not.toMatch(/done[^]*done/);
  });

  it("leaves calls under way alone: their signal tells of the caller, not of the shutdown", async () => {
    const calls = new EventEmitter();
    const isBusy = once(calls, "taken");
    const gateway: Awaited<ReturnType<GatewayBench["open"]>> = await bench.open({
      service: {
        listNodes: async (_, { signal }) => {
          calls.emit("taken");
          await abortOf(gateway.shutdownSignal);
          return { nextPageToken: signal.aborted ? "aborted" : "left alone" };
        },
      },
    });
    const client = createClient(ClientService, bench.grpc(gateway.url));
    const call = client.listNodes({});
    await soon(isBusy, "the call");
    void gateway.close(LONG_MS);

    expect(await call).toMatchObject({ nextPageToken: "left alone" });
  });

  it("reaches any number of calls, and holds none of them that has ended", async () => {
    const gateway = await bench.open();
    const client = createClient(ClientService, bench.grpc(gateway.url));
    await Promise.all(Array.from({ length: 50 }, () => client.listNodes({})));

    // Above the maximum Node warns on stderr; 0 is none. getMaxListeners() does not know an AbortSignal inside Jest.
    const maximum = Object.getOwnPropertySymbols(gateway.shutdownSignal).find(
      ({ description }) => description === "events.maxEventTargetListeners",
    );
    expect(Reflect.get(gateway.shutdownSignal, maximum!)).toBe(0);
    // The gateway lets go of a call when its own end of it is closed.
    await eventually(() => {
      expect(getEventListeners(gateway.shutdownSignal, "abort")).toEqual([]);
      return Promise.resolve();
    });
  });

  it("ends once: a second close gives the same end, and a shorter grace shortens it", async () => {
    const calls = new EventEmitter();
    const isBusy = once(calls, "taken");
    const listNodes = (): Promise<never> => {
      calls.emit("taken");
      return new Promise(() => undefined);
    };
    const gateway = await bench.open({ service: { listNodes } });
    const client = createClient(ClientService, bench.grpc(gateway.url));
    const call = client.listNodes({}).catch((error: unknown) => error);
    await soon(isBusy, "the call");
    const first = gateway.close(LONG_MS);
    const second = gateway.close(50);

    await soon(Promise.all([first, second]), "both");
    await soon(gateway.close(), "a third one");
    expect(gateway.shutdownSignal.aborted).toBe(true);
    expect(await call).toMatchObject({ name: "ConnectError" });
  });
});

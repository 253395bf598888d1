import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { NoGatewayError } from "../../src/cli/errors.js";
import { type Link, SteadyLink } from "../../src/cli/steady-link.js";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";

const broken = (code: string, as = Code.Unavailable) =>
  new ConnectError(code, as, undefined, undefined, Object.assign(new Error(code), { code }));
const refused = (reason: string) =>
  new ConnectError("refused", Code.Unavailable, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "client.p2prc" } },
  ]);
const noSocket = broken("ENOENT", Code.Internal);

/** A client whose gateways fail one after the other, each with its error; the one after the last answers. */
function aClient(failures: readonly ConnectError[], { reachMs = 5_000, isOwn = false } = {}) {
  const told = { calls: 0, reached: 0, closed: 0 };
  const linkNumber = (index: number): Link => {
    const fail = (): void => {
      told.calls += 1;
      const failure = failures[index];
      if (failure !== undefined) throw failure;
    };
    const transport = createRouterTransport(({ service }) =>
      service(ClientService, {
        listNodes: () => (fail(), {}),
        addNode: () => (fail(), {}),
        async *updateIpTable() {
          fail();
          yield await Promise.resolve({ sequence: 1n });
          yield { sequence: 2n };
        },
      }),
    );
    // The transport in memory makes new errors: what a broken connection says of itself would be lost.
    const unary: typeof transport.unary = async (...call) => {
      const failure = failures[index];
      if (failure === undefined) return await transport.unary(...call);
      told.calls += 1;
      throw failure;
    };
    const close = () => Promise.resolve(void (told.closed += 1));
    return { transport: { ...transport, unary }, target: "/base/gateway.sock", isOwn, close };
  };
  let index = 0;
  const link = new SteadyLink(linkNumber(0), {
    relink: () => Promise.resolve(linkNumber((index += 1))),
    onReached: () => (told.reached += 1),
    reachMs,
  });
  return { client: createClient(ClientService, link), told };
}

describe("a call to a gateway that closes", () => {
  it.each([
    ["its socket is gone", noSocket],
    ["nobody listens", broken("ECONNREFUSED")],
    ["it answers 503, unread", new ConnectError("HTTP 503", Code.Unavailable)],
    ["it says that it drains", refused("DRAINING")],
  ])("goes to the next one when %s, also one that changes something", async (_, failure) => {
    const { client, told } = aClient([failure, failure]);
    await client.addNode({ address: "203.0.113.7" });
    expect(told).toEqual({ calls: 3, reached: 1, closed: 2 });
  });

  it("goes to the next one when the stream is refused before its first message", async () => {
    const { client, told } = aClient([refused("DRAINING")]);
    const sequences: bigint[] = [];
    for await (const { sequence } of client.updateIpTable({})) sequences.push(sequence);
    expect([sequences, told.calls]).toEqual([[1n, 2n], 2]);
  });

  it("is not made twice when the connection broke and something may have been done", async () => {
    const { client, told } = aClient([broken("ECONNRESET", Code.Aborted)]);
    await expect(client.addNode({ address: "203.0.113.7" })).rejects.toThrow("ECONNRESET");
    expect(told.calls).toBe(1);
  });

  it("is made again after a broken connection when it only reads", async () => {
    const { client, told } = aClient([broken("ECONNRESET", Code.Aborted)]);
    await client.listNodes({});
    expect(told.calls).toBe(2);
  });

  it("is not made again after an answer, even one of the same code", async () => {
    const { client, told } = aClient([refused("NODE_UNREACHABLE")]);
    await expect(client.addNode({ address: "203.0.113.7" })).rejects.toThrow("refused");
    expect(told).toEqual({ calls: 1, reached: 1, closed: 0 });
  });

  it("ends with the place where nobody answers, after the time there is for it", async () => {
    const { client, told } = aClient(Array<ConnectError>(100).fill(noSocket), { reachMs: 1_000 });
    const failure = new NoGatewayError("/base/gateway.sock", noSocket);
    await expect(client.listNodes({})).rejects.toThrow(failure.message);
    expect(told.calls).toBeGreaterThan(1);
    expect(told.calls).toBeLessThan(30);
  });

  it("looks for no other gateway when it was our own", async () => {
    const { client, told } = aClient([noSocket], { isOwn: true });
    await expect(client.listNodes({})).rejects.toThrow(NoGatewayError);
    expect(told).toEqual({ calls: 1, reached: 0, closed: 0 });
  });
});

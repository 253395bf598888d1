/** Deadlines longer than a timer of Node can hold: the call must simply go on. */
import type { IncomingHttpHeaders } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code } from "@connectrpc/connect";
import { envelope, GatewayBench, LIST_NODES, soon } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const maxTimerMs = 2 ** 31 - 1;

interface Asked {
  readonly status: number;
  /** Status of gRPC, or the code of a Connect error; empty where there is neither. */
  readonly code: string;
}

/** Calls a method whose handler waits: far longer than the 1 ms an overflowed timer takes, or for its signal. */
async function callWith(contentType: string, header: Record<string, string>): Promise<Asked> {
  const { url } = await bench.open({
    service: {
      listNodes: async (_, { signal }) => {
        await sleep(100, undefined, { signal }).catch(() => signal.throwIfAborted());
        return {};
      },
    },
  });
  const body = contentType === "application/json" ? Buffer.from("{}") : envelope();
  const session = await bench.http2(url);
  const stream = session.request({
    ":method": "POST",
    ":path": LIST_NODES,
    "content-type": contentType,
    te: "trailers",
    ...header,
  });
  return await soon(
    new Promise<Asked>((resolve) => {
      let status = 0;
      let grpcStatus = "";
      let text = "";
      const read = (head: IncomingHttpHeaders): void => {
        status = Number(head[":status"] ?? status);
        grpcStatus = head["grpc-status"]?.toString() ?? grpcStatus;
      };
      stream.on("response", read).on("trailers", read);
      stream.setEncoding("latin1").on("data", (piece: string) => (text += piece));
      stream.once("close", () => {
        const inBody = /grpc-status: (\d+)|"code":"(\w+)"/.exec(text);
        resolve({ status, code: grpcStatus || (inBody?.[1] ?? inBody?.[2] ?? "") });
      });
      stream.end(body);
    }),
    "the answer",
  );
}

const grpcTypes = ["application/grpc", "application/grpc-web+proto"];

describe("a deadline", () => {
  it.each(
    grpcTypes.flatMap((type) =>
      ["99999999S", "99999999M", "99999999H", "2147484S", "35792M", "597H"].map((value) => [type, value]),
    ),
  )("of %s %s, longer than any timer, does not end the call", async (type, value) => {
    expect(await callWith(type, { "grpc-timeout": value })).toEqual({ status: 200, code: "0" });
  });

  it.each(["9999999999", String(maxTimerMs + 1)])(
    "of %s ms in Connect, longer than any timer, does not end the call",
    async (value) => {
      expect(await callWith("application/json", { "connect-timeout-ms": value })).toEqual({
        status: 200,
        code: "",
      });
    },
  );

  it.each(grpcTypes.flatMap((type) => ["99999999m", "99999999u", "2147483S", "596H"].map((v) => [type, v])))(
    "of %s %s is kept and does not end the call",
    async (type, value) => {
      expect(await callWith(type, { "grpc-timeout": value })).toEqual({ status: 200, code: "0" });
    },
  );

  it("that is short still ends the call, in all three protocols", async () => {
    const late = String(Code.DeadlineExceeded);
    for (const type of grpcTypes)
      for (const value of ["10m", "10000u", "10000000n"])
        expect((await callWith(type, { "grpc-timeout": value })).code).toBe(late);
    expect(await callWith("application/json", { "connect-timeout-ms": "10" })).toMatchObject({
      code: "deadline_exceeded",
    });
  });

  it.each(["", "1", "S", "999999999S", "1.5S", "-1S", "1s"])(
    "that is none, %j, is refused as an invalid argument",
    async (value) => {
      for (const type of grpcTypes)
        expect((await callWith(type, { "grpc-timeout": value })).code).toBe(String(Code.InvalidArgument));
      expect(await callWith("application/json", { "connect-timeout-ms": `${value}x` })).toEqual({
        status: 400,
        code: "invalid_argument",
      });
    },
  );
});

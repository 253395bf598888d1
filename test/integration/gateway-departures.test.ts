/** Clients who go amid a response are no fault of the gateway's: its log calls them none. */
import type { ClientHttp2Session } from "node:http2";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Logger, silentLogger } from "../../src/observability/logger.js";
import { GatewayBench, soon, UPDATE_IP_TABLE } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const ways: readonly { readonly how: string; readonly leave: (session: ClientHttp2Session) => void }[] = [
  { how: "cancels its session", leave: (session) => session.destroy(undefined, 8) },
  { how: "ends its session with an internal error", leave: (session) => session.destroy(undefined, 2) },
  { how: "ends its session", leave: (session) => session.destroy() },
];

describe("a client amid a stream", () => {
  it.each(ways)("that $how is told of at debug level only", async ({ leave }) => {
    let tell!: (line: readonly [string, string]) => void;
    const told = new Promise<readonly [string, string]>((resolve) => {
      tell = resolve;
    });
    const at =
      (level: string) =>
      (_: object, message: string): void =>
        tell([level, message]);
    const logger: Logger = { ...silentLogger, debug: at("debug"), warn: at("warn"), error: at("error") };
    const { url } = await bench.open({
      logger,
      service: {
        async *updateIpTable() {
          for (let sequence = 0n; ; sequence += 1n) {
            yield { sequence };
            await new Promise((resolve) => setImmediate(resolve));
          }
        },
      },
    });
    const session = await bench.http2(url);
    const stream = session.request({
      ":method": "POST",
      ":path": UPDATE_IP_TABLE,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    stream.end(Buffer.alloc(5));
    stream.once("data", () => leave(session));
    expect(await soon(told, "a line")).toEqual(["debug", "the client left before the end of the response"]);
  });
});

import { once } from "node:events";
import { readdirSync, statSync, watch, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { GatewayBench, LIST_NODES } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

async function listNodes(socketPath: string): Promise<unknown> {
  const call = request({
    socketPath,
    path: LIST_NODES,
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  call.end("{}");
  const [response] = (await once(call, "response")) as [IncomingMessage];
  return JSON.parse(String((await response.toArray())[0]));
}

describe("the Unix socket", () => {
  it("serves the same services, as a door of its own", async () => {
    const path = join(await bench.folder(), "gateway.sock");
    const { url } = await bench.open({
      socketPath: path,
      routes: (router, door) => router.service(ClientService, { listNodes: () => ({ nextPageToken: door }) }),
    });

    expect(await listNodes(path)).toEqual({ nextPageToken: "socket" });
    const overTcp = await fetch(`${url}${LIST_NODES}?encoding=json&message=%7B%7D`);
    expect(await overTcp.json()).toEqual({ nextPageToken: "tcp" });
  });

  it("has mode 0600 whenever it can be seen, and leaves nothing beside it", async () => {
    const folder = await bench.folder();
    const modes = new Set<number>();
    const watcher = watch(folder, (_, name) => {
      const mode = name === "gateway.sock" && statSync(join(folder, name), { throwIfNoEntry: false })?.mode;
      if (typeof mode === "number") modes.add(mode & 0o777);
    });
    bench.defer(() => watcher.close());
    const gateway = await bench.open({ listen: undefined, socketPath: join(folder, "gateway.sock") });

    expect(gateway.url).toBeUndefined();
    expect(statSync(join(folder, "gateway.sock")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["gateway.sock"]);
    expect([...modes].filter((mode) => mode !== 0o600)).toEqual([]);
    await gateway.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("replaces a dead socket", async () => {
    const path = join(await bench.folder(), "gateway.sock");
    writeFileSync(path, "");
    await bench.open({ socketPath: path });

    expect(await listNodes(path)).toEqual({ nextPageToken: "after " });
  });

  it("leaves the path alone when somebody else has it by then", async () => {
    const folder = await bench.folder();
    const path = join(folder, "gateway.sock");
    const first = await bench.open({ socketPath: path });
    await rename(path, join(folder, "old"));
    await bench.open({ socketPath: path });
    await first.close();

    expect(await listNodes(path)).toEqual({ nextPageToken: "after " });
  });
});

describe("opening", () => {
  it("fails with the system's reason and leaves no door open", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    bench.defer(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const folder = await bench.folder();

    await expect(bench.open({ listen: { host: "127.0.0.1", port } })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    await expect(bench.open({ socketPath: join(folder, "no", "gateway.sock") })).rejects.toMatchObject({
      code: "ENOENT",
    });
    await expect(bench.open({ socketPath: join(folder, "x".repeat(120)) })).rejects.toThrow("longer than");
    expect(readdirSync(folder)).toEqual([]);
  });
});

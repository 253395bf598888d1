/** Commits, groups and states that are too large for one message of a gRPC client, which takes 4 MiB. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { readGroup } from "../../src/cli/list-containers.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { WatchResponse_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { type Api, ContainerBench } from "../support/container-bench.js";

const bench = new ContainerBench();
afterEach(() => bench.release());

const count = 200;

/** Containers that say 32 KiB of their ports each, as a node may. */
async function openLarge(): Promise<{ api: Api; names: readonly string[] }> {
  const port = (external: number): object => ({ ExternalPort: external, Description: "x".repeat(2_000) });
  const externals = Array.from({ length: 16 }, (_, index) => index + 1);
  const ids = Array.from({ length: count }, (_, index) => `large${String(index).padStart(3, "0")}`);
  const entries = ids.map((id) => ({
    ID: id,
    Container: { ID: id, Ports: { Port: externals.map(port) } },
    IpAddress: "203.0.113.7:8088",
  }));
  const { url } = await bench.open({
    prepare: async (base) => {
      await mkdir(join(base, "client/trackcontainers"), { recursive: true });
      await writeFile(
        join(base, "client/trackcontainers/trackcontainers.json"),
        JSON.stringify({ TrackContainer: entries }),
      );
    },
  });
  const api = createClient(
    ClientService,
    createGrpcTransport({ baseUrl: url, readMaxBytes: 4 * 1024 * 1024 }),
  );
  return { api, names: ids.map((id) => `nodes/203.0.113.7:8088/containers/${id}`) };
}

/** Reads a stream until what it tells has a revision that differs from `start`. */
async function readCommit(
  api: Api,
  start: string,
): Promise<{ messages: number; changes: number; end: string }> {
  const ending = new AbortController();
  let messages = 0;
  let changes = 0;
  try {
    for await (const message of api.watch({ startRevision: start }, { signal: ending.signal })) {
      messages += 1;
      changes += message.changes.length;
      if (message.revision !== "") return { messages, changes, end: message.revision };
    }
  } finally {
    ending.abort();
  }
  throw new Error("the stream ended");
}

describe("GetGroup", () => {
  it("says how many members it left out where all are too much for a client, and the command line reads them", async () => {
    const { api, names } = await openLarge();
    const { group } = await api.createGroup({ containers: [...names].reverse() });
    const found = await api.getGroup({ group: group?.name ?? "" });
    expect(found.containers.length).toBeGreaterThan(32);
    expect(found.containers.length + found.omittedContainerCount).toBe(count);
    const shown = found.containers.map(({ name }) => name);
    expect(shown).toEqual(found.group?.containers.slice(0, shown.length));
    const { containers } = await readGroup(api, group?.name ?? "", new AbortController().signal);
    expect(containers.map(({ name }) => name)).toEqual([...names].reverse());
  });
});

describe("Watch", () => {
  it("tells a commit that is too large for one message in several, live and out of the history", async () => {
    const { api, names } = await openLarge();
    const { revision: start } = await api.listContainers({ pageSize: 1 });
    const live = readCommit(api, start);
    const { group } = await api.createGroup({ containers: [...names] });
    const told = await live;
    expect(told.changes).toBe(count + 1);
    expect(told.messages).toBeGreaterThan(4);
    // As somebody who was cut off in the middle comes back.
    expect(await readCommit(api, start)).toEqual(told);
    await api.removeGroup({ group: group?.name ?? "" });
    expect((await readCommit(api, told.end)).changes).toBe(count + 1);
  });

  it("shows what exists in messages that clients take, however much each container says", async () => {
    const { api } = await openLarge();
    const ending = new AbortController();
    let changes = 0;
    for await (const message of api.watch({ sendInitialState: true }, { signal: ending.signal })) {
      changes += message.changes.length;
      if (message.type === WatchResponse_Type.INITIAL_DONE) break;
    }
    ending.abort();
    expect(changes).toBe(count);
  });
});

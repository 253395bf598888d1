/** A real gateway crawls real sockets: what nodes send, what they are sent, and what they must not achieve. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { LedgerCall } from "../../src/devnet/contract.js";
import { containerFaults } from "../../src/devnet/container-faults.js";
import { faultNames } from "../../src/devnet/faults.js";
import {
  CrawlCompleted_EndReason,
  FailureReason,
  NodeFailed_Step,
  type UpdateIpTableResponse,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import {
  crawl,
  eventually,
  local,
  remote,
  summaryOf,
  tablePathOf,
  tableRows,
  WireBench,
  writeTable,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

/** Those that a crawl meets: it starts and removes no containers. */
const striking = faultNames.filter((fault) => !Object.hasOwn(containerFaults, fault));

describe("a crawl of a network with every fault at once", () => {
  it("ends, finds every healthy node, names each failure, and contacts nothing that lies point at", async () => {
    const faults = Object.fromEntries(striking.map((fault) => [fault, 1]));
    const gateway = await bench.open({
      devnet: { nodes: 20 + striking.length, seed: 11, faults, delayMs: 2 },
    });
    const { nodes, entryAddresses, ledger } = gateway.devnet;
    const events = await crawl(remote(gateway), {
      seedAddresses: [...entryAddresses],
      maxHops: 6,
      // Those that flood make their neighbours wait for this process: longer than that, on a busy machine too.
      nodeTimeout: { seconds: 4n },
      exchangeTimeout: { seconds: 6n },
    });
    const probed = new Set(
      events.flatMap(({ event }) => (event.case === "nodeProbed" ? [event.value.node?.name] : [])),
    );
    for (const node of nodes.filter(({ fault }) => fault === undefined))
      expect(probed).toContain(`nodes/${node.address}`);
    const failed = events.flatMap(({ event }) => (event.case === "nodeFailed" ? [event.value] : []));
    expect(
      failed.every(
        ({ reason, step }) => reason !== FailureReason.UNSPECIFIED && step !== NodeFailed_Step.UNSPECIFIED,
      ),
    ).toBe(true);
    const reasons = new Set(failed.map(({ reason }) => reason));
    for (const reason of [
      FailureReason.TIMEOUT,
      FailureReason.CONNECTION_REFUSED,
      FailureReason.CONNECTION_RESET,
      FailureReason.BAD_BODY,
      FailureReason.TOO_LARGE,
      FailureReason.HTTP_STATUS,
    ]) {
      expect(reasons).toContain(reason);
    }
    expect(summaryOf(events).endReason).toBe(CrawlCompleted_EndReason.FINISHED);
    // A GET with effects is never made, and no node is asked more than its probe and its table.
    const routes = new Set(ledger.calls.map(({ method, path }) => `${method} ${path}`));
    for (const route of routes)
      expect(["GET /server_info", "GET /server_specs", "POST /IpTable"]).toContain(route);
    for (const { address } of nodes)
      expect(ledger.count({ node: address, path: "/IpTable" })).toBeLessThanOrEqual(1);
  });

  it("keeps the order of hops whatever nodes do", async () => {
    const faults = Object.fromEntries(striking.map((fault) => [fault, 1]));
    const gateway = await bench.open({
      devnet: { nodes: 30 + striking.length, seed: 5, faults, delayMs: 3 },
    });
    const events = await crawl(remote(gateway), {
      seedAddresses: [...gateway.devnet.entryAddresses],
      maxHops: 5,
      nodeTimeout: { nanos: 700_000_000 },
      exchangeTimeout: { seconds: 1n },
    });
    const begun = new Set<number>();
    const over = new Set<number>();
    for (const { event, progress } of events) {
      const hop = progress?.hop ?? 0;
      if (event.case === "hopStarted") begun.add(hop);
      const belongsToHop = [
        "nodeProbed",
        "nodeDiscovered",
        "tableFetched",
        "nodeFailed",
        "hopCompleted",
      ].includes(event.case ?? "");
      if (belongsToHop) {
        expect(begun).toContain(hop);
        expect(over).not.toContain(hop);
      }
      if (event.case === "hopCompleted") over.add(hop);
    }
    expect(over).toEqual(begun);
    expect(events.filter(({ event }) => event.case === "completed")).toHaveLength(1);
  });
});

describe("nodes that hang", () => {
  it("do not hold up the rest: half the network hangs, and the other half is found before the first time-out", async () => {
    const gateway = await bench.open({ devnet: { nodes: 60, seed: 3, shape: "mesh", faults: { hang: 30 } } });
    const client = remote(gateway);
    const cases: unknown[] = [];
    const request = {
      seedAddresses: [...gateway.devnet.entryAddresses],
      maxConcurrency: 8,
      nodeTimeout: { seconds: 10n },
    };
    for await (const { event } of client.updateIpTable(request)) cases.push(event.case);
    // Without giving places back, 30 hanging nodes on 8 places would take 4 rounds of 10 s.
    expect(cases.lastIndexOf("nodeProbed")).toBeLessThan(cases.indexOf("nodeFailed"));
    expect(cases.filter((each) => each === "nodeProbed")).toHaveLength(30);
  });
});

describe("the own node", () => {
  it("is left out by public address and port, and is never contacted", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 6, shape: "mesh" },
      flags: { publicIp: "127.0.1.3" },
      prepare: async (baseDir, devnet) => {
        await writeFile(
          join(baseDir, "config.json"),
          JSON.stringify({ MachineName: "", ServerPort: String(devnet.port) }),
        );
        await writeTable(baseDir, [devnet.nodes[0]?.address ?? "", devnet.nodes[2]?.address ?? ""]);
      },
    });
    const own = gateway.devnet.nodes[2]?.address ?? "";
    expect(own).toMatch(/^127\.0\.1\.3:/);
    const events = await crawl(remote(gateway));
    expect(gateway.devnet.ledger.count({ node: own })).toBe(0);
    expect(summaryOf(events).activeCount).toBe(5);
    const rows = await tableRows(gateway);
    expect(rows.map(({ IPV4 }) => IPV4)).not.toContain("127.0.1.3");
    expect(rows).toHaveLength(5);
  });

  it("is left out by its name where its address is a proxy's", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 6, shape: "mesh", seed: 2 },
      prepare: async (baseDir, devnet) => {
        const named = devnet.nodes.at(-1)?.name;
        await writeFile(
          join(baseDir, "config.json"),
          JSON.stringify({ MachineName: named, ServerPort: "9" }),
        );
      },
    });
    const own = gateway.devnet.nodes.at(-1);
    const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
    // Rows of the oldest versions carry no names: only tables that tell the name can give the own node away.
    const reported = events.flatMap(({ event }) => (event.case === "tableFetched" ? [event.value] : []));
    expect(reported.some(({ rejectedCountByReason }) => (rejectedCountByReason["OWN_NODE"] ?? 0) > 0)).toBe(
      true,
    );
    expect(own?.name).not.toBe("");
  });

  it("is asked of a service once for several crawls, and a crawl without an answer goes on with a warning", async () => {
    let askedCount = 0;
    const url = await bench.serve((_, response) => {
      askedCount += 1;
      response.end(JSON.stringify({ status: "success", query: "127.0.1.4" }));
    });
    const gateway = await bench.open({ devnet: { nodes: 5, shape: "mesh" }, flags: { publicIp: url } });
    const request = { seedAddresses: [...gateway.devnet.entryAddresses] };
    const events = await crawl(remote(gateway), request);
    await crawl(remote(gateway), request);
    const found = events.flatMap(({ event }) => (event.case === "ownAddressFound" ? [event.value] : []));
    expect(found).toMatchObject([
      { publicIpAddress: "127.0.1.4", selfNode: "nodes/127.0.1.4:8088", warning: "" },
    ]);
    expect(askedCount).toBe(1);
  });

  it("stays unknown when the service answers HTML, and says so", async () => {
    const url = await bench.serve((_, response) => response.end("<html>hello</html>"));
    const gateway = await bench.open({ devnet: { nodes: 4 }, flags: { publicIp: url } });
    const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
    const found = events.flatMap(({ event }) => (event.case === "ownAddressFound" ? [event.value] : []));
    expect(found).toHaveLength(1);
    expect(found[0]?.publicIpAddress).toBe("");
    expect(found[0]?.warning).not.toBe("");
    expect(summaryOf(events).activeCount).toBe(4);
  });
});

describe("what nodes are sent", () => {
  const sharedRows = (calls: readonly LedgerCall[]): Record<string, unknown>[] =>
    (calls.find(({ path }) => path === "/IpTable")?.rows ?? []) as Record<string, unknown>[];

  it("holds active nodes only, without what their owners did not give to us", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 5, shape: "mesh" },
      prepare: async (baseDir, devnet) => {
        const secrets = {
          PublicKey: "ssh-rsa AAAA",
          MachineUsername: "user",
          CustomInformation: "role=render",
        };
        await writeTable(baseDir, [devnet.nodes[0]?.address ?? "", "127.9.9.9:1234"], secrets);
      },
    });
    await crawl(remote(gateway));
    await crawl(remote(gateway), { maxSharedRows: 3 });
    const posts = gateway.devnet.ledger.matching({ path: "/IpTable" });
    const rows = sharedRows(posts.slice(5));
    expect(rows).toHaveLength(3);
    for (const row of rows)
      expect(row).toMatchObject({ PublicKey: "", MachineUsername: "", CustomInformation: "" });
    expect(JSON.stringify(posts)).not.toContain("127.9.9.9");
    expect(Object.keys(rows[0] ?? {})).toHaveLength(16);
  });

  it("is nothing when the caller shares no rows", async () => {
    const gateway = await bench.open({ devnet: { nodes: 4 } });
    await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses], maxSharedRows: 0 });
    const posts = gateway.devnet.ledger.matching({ path: "/IpTable" });
    expect(posts.length).toBeGreaterThan(0);
    expect(posts.every(({ rows }) => rows?.length === 0)).toBe(true);
  });
});

describe("who may name which address", () => {
  it("holds remote callers to public addresses, and lets the operator's socket name any", async () => {
    const gateway = await bench.open({ devnet: { nodes: 3 }, flags: { allowCidr: ["127.0.1.0/24"] } });
    await expect(remote(gateway).addNode({ address: "10.0.0.1:8088" })).rejects.toThrow(/permission_denied/);
    await expect(remote(gateway).addNode({ address: "localhost:8088" })).rejects.toThrow(/permission_denied/);
    await expect(remote(gateway).addNode({ address: "0x7f.1:8088" })).rejects.toThrow(/invalid_argument/);
    await expect(crawl(remote(gateway), { seedAddresses: ["192.168.0.1"] })).rejects.toThrow(
      /permission_denied/,
    );
    const { node } = await local(gateway).addNode({ address: "127.5.5.5:4000" });
    expect(node?.name).toBe("nodes/127.5.5.5:4000");
  });

  it("lets a remote caller read specs of nodes in the table only, and an operator of any", async () => {
    const gateway = await bench.open({ devnet: { nodes: 3 } });
    const [entry = ""] = gateway.devnet.entryAddresses;
    await expect(remote(gateway).getSpecs({ node: entry })).rejects.toThrow(/not_found/);
    expect((await local(gateway).getSpecs({ node: entry })).specs?.hostname).toBe(
      gateway.devnet.nodes[0]?.name,
    );
  });

  it("never contacts peers' rows outside public ranges, whoever crawls", async () => {
    const gateway = await bench.open({ devnet: { nodes: 4, shape: "mesh" }, flags: { allowCidr: [] } });
    const events = await crawl(local(gateway), { seedAddresses: [gateway.devnet.entryAddresses[0] ?? ""] });
    expect(summaryOf(events).activeCount).toBe(1);
    const fetched = events.flatMap(({ event }) => (event.case === "tableFetched" ? [event.value] : []));
    expect(fetched[0]?.rejectedCountByReason["ADDRESS_BLOCKED"]).toBe(3);
    const contacted = new Set(gateway.devnet.ledger.calls.map(({ node }) => node));
    expect(contacted.size).toBe(1);
  });
});

describe("the end of a crawl", () => {
  it("comes before the caller's deadline, with what was learnt written", async () => {
    const gateway = await bench.open({ devnet: { nodes: 8, shape: "mesh", seed: 1, faults: { hang: 3 } } });
    const request = { seedAddresses: [...gateway.devnet.entryAddresses], nodeTimeout: { seconds: 30n } };
    const events = await crawl(remote(gateway), request, { timeoutMs: 5_000 });
    expect(summaryOf(events).endReason).toBe(CrawlCompleted_EndReason.DEADLINE);
    expect(await tableRows(gateway)).toHaveLength(5);
  });

  it("is the caller's leaving, too: what was learnt is written", async () => {
    const gateway = await bench.open({ devnet: { nodes: 8, shape: "mesh", seed: 1, faults: { hang: 3 } } });
    const request = { seedAddresses: [...gateway.devnet.entryAddresses], nodeTimeout: { seconds: 30n } };
    const leaving = new AbortController();
    const reading = (async () => {
      let probedCount = 0;
      for await (const { event } of remote(gateway).updateIpTable(request, { signal: leaving.signal })) {
        if (event.case === "nodeProbed" && ++probedCount === 5) leaving.abort();
      }
    })();
    await expect(reading).rejects.toThrow(/cancel/);
    await eventually(async () => (await remote(gateway).listNodes({})).nodes.length === 5);
  });

  it("is written before the gateway is closed, though its caller left at the same moment", async () => {
    const gateway = await bench.open({ devnet: { nodes: 8, shape: "mesh", seed: 1, faults: { hang: 3 } } });
    const request = { seedAddresses: [...gateway.devnet.entryAddresses], nodeTimeout: { seconds: 30n } };
    const leaving = new AbortController();
    let probedCount = 0;
    let closing: Promise<void> | undefined;
    const reading = (async () => {
      for await (const { event } of remote(gateway).updateIpTable(request, { signal: leaving.signal })) {
        if (event.case !== "nodeProbed" || ++probedCount < 5) continue;
        leaving.abort();
        closing = gateway.app.close();
      }
    })();
    await expect(reading).rejects.toThrow(/cancel/);
    await closing;
    expect(await tableRows(gateway)).toHaveLength(5);
  });

  it("is an orderly one when the gateway drains", async () => {
    const gateway = await bench.open({ devnet: { nodes: 8, shape: "mesh", seed: 1, faults: { hang: 3 } } });
    const request = { seedAddresses: [...gateway.devnet.entryAddresses], nodeTimeout: { seconds: 30n } };
    const events: UpdateIpTableResponse[] = [];
    let closing: Promise<void> | undefined;
    for await (const event of remote(gateway).updateIpTable(request)) {
      events.push(event);
      closing ??= gateway.app.close();
    }
    await closing;
    expect(summaryOf(events).endReason).toBe(CrawlCompleted_EndReason.DRAINING);
  });

  it("fails clearly on a table that cannot be read, and leaves the file as it is", async () => {
    const broken = '{"ip_address": [{"IPV4": "127.0.1.1"';
    const gateway = await bench.open({
      devnet: { nodes: 2 },
      prepare: async (baseDir) => {
        await writeTable(baseDir, []);
        await writeFile(tablePathOf({ baseDir }), broken);
      },
    });
    await expect(crawl(remote(gateway))).rejects.toThrow(/failed_precondition/);
    expect(await readFile(tablePathOf(gateway), "utf8")).toBe(broken);
  });
});

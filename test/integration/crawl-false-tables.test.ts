/** Tables of absurd size, from real sockets: the crawl goes on, and what they may bring in is bounded. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { FailureReason, NodeFailed_Step } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { crawlLimits } from "../../src/p2p/limits.js";
import { maxTableRows } from "../../src/peer-api/limits.js";
import { byPath, floods, sends, someInfo } from "../support/raw-node.js";
import {
  activeIn,
  addressOfRow,
  crawl,
  eventsOf,
  eventually,
  remote,
  summaryOf,
  tableRows,
  WireBench,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

describe("a table of a million rows", () => {
  it("that name nobody brings nobody in, and each row is counted", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 5, shape: "mesh", seed: 2, faults: { "million-rows": 1 } },
    });
    const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
    const liar = gateway.devnet.nodes.find(({ fault }) => fault !== undefined)!.address;
    const fetched = eventsOf(events, "tableFetched").find(({ node }) => node === `nodes/${liar}`);
    expect(fetched).toMatchObject({ entryCount: 1_000_000, newCount: 0 });
    expect(fetched?.rejectedCountByReason).toEqual({
      INVALID_ADDRESS: maxTableRows,
      TOO_MANY_ROWS: 1_000_000 - maxTableRows,
    });
    expect(summaryOf(events).activeCount).toBe(5);
    expect(await tableRows(gateway)).toHaveLength(5);
  });

  it("that all name somebody is cut where it is too large, and its node stays ACTIVE", async () => {
    const opening = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"ip_address":[null';
    const row = ',{"IPV4":"127.66.0.1","ServerPort":"8088"}';
    const liar = await bench.rawNode(
      byPath({
        "/server_info": sends(someInfo),
        "/IpTable": floods(opening, Buffer.from(row.repeat(2_000))),
      }),
    );
    const gateway = await bench.open({ devnet: { nodes: 4, shape: "mesh" } });
    const address = `127.0.0.1:${liar.port}`;
    const seedAddresses = [address, ...gateway.devnet.entryAddresses];
    const events = await crawl(remote(gateway), { seedAddresses });
    expect(eventsOf(events, "nodeFailed")).toMatchObject([
      { node: `nodes/${address}`, step: NodeFailed_Step.IP_TABLE, reason: FailureReason.TOO_LARGE },
    ]);
    expect(activeIn(events)).toContain(address);
    expect(summaryOf(events).activeCount).toBe(5);
    expect((await tableRows(gateway)).map(addressOfRow).sort()).toEqual(
      [address, ...gateway.devnet.nodes.map((node) => node.address)].sort(),
    );
    await eventually(() => liar.openCount === 0, "the liar is left");
  });
});

describe("a table as large as one may be", () => {
  it("with as many private addresses as fit brings nobody in", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 5, shape: "mesh", seed: 2, faults: { "many-rows": 1 } },
    });
    const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
    const liar = gateway.devnet.nodes.find(({ fault }) => fault !== undefined)!.address;
    const fetched = eventsOf(events, "tableFetched").find(({ node }) => node === `nodes/${liar}`);
    expect(fetched?.entryCount).toBeGreaterThan(maxTableRows);
    expect(fetched?.newCount).toBe(0);
    expect(fetched?.rejectedCountByReason["ADDRESS_BLOCKED"]).toBe(maxTableRows);
    expect(summaryOf(events).activeCount).toBe(5);
    expect(await tableRows(gateway)).toHaveLength(5);
  });

  it("with victims has no more of them asked than one reporter may name, and none enters the table", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 5, shape: "mesh", seed: 2, faults: { victims: 1 }, dialects: ["2025-04"] },
    });
    const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
    const liar = gateway.devnet.nodes.find(({ fault }) => fault !== undefined)!.address;
    const fetched = eventsOf(events, "tableFetched").find(({ node }) => node === `nodes/${liar}`);
    expect(fetched?.newCount).toBe(crawlLimits.maxNodesPerReporter);
    expect(summaryOf(events).unreachable).toHaveLength(crawlLimits.maxNodesPerReporter);
    expect((await tableRows(gateway)).map(addressOfRow).sort()).toEqual(
      gateway.devnet.nodes.map(({ address }) => address).sort(),
    );
  });
});

import { describe, expect, it } from "@jest/globals";
import { P2pError } from "../../../src/p2p/errors.js";
import { type NodeRecord } from "../../../src/p2p/node-record.js";
import type { NodePage, NodePageRequest } from "../../../src/p2p/contract.js";
import { NodePages } from "../../../src/p2p/pages.js";
import { aRecord, aRow, anAddress, tableOf } from "../../support/peers.js";

const nobody = (): boolean => false;
const records = (count: number): NodeRecord[] =>
  Array.from({ length: count }, (_, n) => aRecord({ address: anAddress(n * 7) }));

const pages = new NodePages();
const pageOf = (
  all: readonly NodeRecord[],
  request: NodePageRequest,
  isSelf: (record: NodeRecord) => boolean,
): Promise<NodePage> => pages.pageOf(tableOf(...all), request, isSelf);

/** Walks through all pages. */
async function walk(all: NodeRecord[], pageSize: number): Promise<string[][]> {
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = await pageOf(all, { pageSize, pageToken, filter: "", orderBy: "" }, nobody);
    pages.push(page.nodes.map(({ name }) => name));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return pages;
}

describe("the pages of the table", () => {
  it.each([1, 7, 99, 100, 101, 1000])(
    "of %d nodes hold every node once, sorted by name",
    async (pageSize) => {
      const all = records(100);
      const pages = await walk(all.toReversed(), pageSize);
      const names = all.map(({ address }) => `nodes/${address.host}:8088`).sort();
      expect(pages.flat()).toEqual(names);
      expect(pages).toHaveLength(Math.ceil(100 / pageSize));
    },
  );

  it("of an empty table are one, and empty", async () => {
    expect(await walk([], 10)).toEqual([[]]);
  });

  it("hold at most a thousand nodes", async () => {
    expect((await walk(records(1_500), 5_000)).map((page) => page.length)).toEqual([1_000, 500]);
  });

  it("end early when they grow heavy, and lose nobody", async () => {
    const all = records(700).map((record) => ({
      ...record,
      row: aRow({ address: record.address, publicKey: "k".repeat(8_000) }),
    }));
    const pages = await walk(all, 1_000);
    expect(pages.length).toBeGreaterThan(2);
    expect(pages.flat()).toHaveLength(700);
    expect(Math.max(...pages.map((page) => page.length)) * 8_300).toBeLessThan(2.5 * 1024 * 1024);
  });

  it("go on after the place where they stopped, though nodes come and go", async () => {
    const all = records(10).sort((a, b) => (a.address.host < b.address.host ? -1 : 1));
    const first = await pageOf(all, { pageSize: 5, pageToken: "", filter: "", orderBy: "" }, nobody);
    const rest = await pageOf(
      all.slice(6),
      { pageSize: 50, pageToken: first.nextPageToken, filter: "", orderBy: "" },
      nobody,
    );
    expect(rest.nodes.map(({ address }) => address)).toEqual(all.slice(6).map(({ address }) => address));
  });

  it("look at no more nodes of a list by name than they show, and one more", async () => {
    const looked: NodeRecord[] = [];
    const lookAt = (record: NodeRecord): boolean => looked.push(record) === 0;
    await pageOf(records(100), { pageSize: 7, pageToken: "", filter: "", orderBy: "" }, lookAt);
    expect(looked).toHaveLength(8);
  });

  it("say which node is our own", async () => {
    const request = { pageSize: 1, pageToken: "", filter: "", orderBy: "" };
    const { nodes } = await pageOf(records(2), request, () => true);
    expect(nodes[0]!.isSelf).toBe(true);
  });

  it.each([
    "x",
    "=",
    Buffer.from("n2:45.0.0.1:8088").toString("base64url"),
    `${Buffer.from("n1:a").toString("base64url")}=`,
    "bjE6YQ\n",
  ])("are not continued by a token that is none of ours: %j", async (pageToken) => {
    const request = { pageSize: 1, pageToken, filter: "", orderBy: "" };
    await expect(pageOf(records(3), request, nobody)).rejects.toThrow(P2pError);
  });

  const measured = (n: number, latencyNs: number): NodeRecord =>
    aRecord({ address: anAddress(n), measurement: { latencyNs, sampleCount: 3 }, state: "ACTIVE" });
  const list = { pageSize: 2, pageToken: "", filter: "state = ACTIVE", orderBy: "measurement.latency desc" };

  it.each(["measurement.latency", "measurement.latency desc"])(
    "by %s hold every node once, those of one latency by name",
    async (orderBy) => {
      const all = Array.from({ length: 60 }, (_, n) => measured(n * 7, (n * 11) % 5));
      const nodes: NodePage["nodes"][number][] = [];
      for (let pageToken = "", isOver = false; !isOver; isOver = pageToken === "") {
        const page = await pageOf(all, { pageSize: 7, pageToken, filter: "", orderBy }, nobody);
        nodes.push(...page.nodes);
        pageToken = page.nextPageToken;
      }
      const sign = orderBy.endsWith("desc") ? -1 : 1;
      const latencyOf = ({ measurement }: (typeof nodes)[number]): number => measurement?.latencyNs ?? 0;
      const whole = await pageOf(all, { pageSize: 100, pageToken: "", filter: "", orderBy: "" }, nobody);
      const sorted = [...whole.nodes].sort((a, b) => sign * (latencyOf(a) - latencyOf(b)));
      expect(nodes.map(({ name }) => name)).toEqual(sorted.map(({ name }) => name));
    },
  );

  it("hold the nodes that pass the filter, in the order asked for, then by name", async () => {
    const all = [
      measured(1, 10),
      measured(2, 30),
      measured(3, 20),
      measured(4, 20),
      aRecord({ address: anAddress(5) }),
    ];
    const first = await pageOf(all, list, nobody);
    const second = await pageOf(all, { ...list, pageToken: first.nextPageToken }, nobody);
    const hosts = [...first.nodes, ...second.nodes].map(({ address }) => address.host);
    expect(hosts).toEqual([2, 3, 4, 1].map((n) => anAddress(n).host));
    expect(second.nextPageToken).toBe("");
  });

  it("go on where they stopped in an order of one's own, though the last node shown has left", async () => {
    const all = [measured(1, 40), measured(2, 30), measured(3, 20), measured(4, 10)];
    const { nextPageToken: pageToken } = await pageOf(all, list, nobody);
    const rest = await pageOf([...all.slice(0, 1), ...all.slice(2)], { ...list, pageToken }, nobody);
    expect(rest.nodes.map(({ address }) => address.host)).toEqual([anAddress(4).host]);
    const still = await pageOf([measured(9, 50), ...all], { ...list, pageToken }, nobody);
    expect(still.nodes.map(({ address }) => address.host)).toEqual([3, 4].map((n) => anAddress(n).host));
  });

  it("belong to one filter and one order", async () => {
    const all = [measured(1, 10), measured(2, 30), measured(3, 20)];
    const { nextPageToken: pageToken } = await pageOf(all, list, nobody);
    for (const other of [
      { ...list, filter: "" },
      { ...list, orderBy: "name" },
    ]) {
      await expect(pageOf(all, { ...other, pageToken }, nobody)).rejects.toThrow(/another filter/);
    }
  });

  it("are refused with the column where a filter or an order goes wrong", async () => {
    const refusal = async (request: Partial<typeof list>): Promise<unknown> =>
      await pageOf([], { ...list, ...request }, nobody).catch((error: unknown) => error);
    const filter = { reason: "INVALID_FILTER", field: "filter", metadata: { column: "9" } };
    expect(await refusal({ filter: "nat AND  =" })).toMatchObject({
      reason: "INVALID_FILTER",
      field: "filter",
    });
    expect(await refusal({ filter: "state = SLEEPING" })).toMatchObject(filter);
    const order = { reason: "INVALID_ORDER_BY", field: "order_by", metadata: { column: "7" } };
    expect(await refusal({ orderBy: "name, nome" })).toMatchObject(order);
  });
});

import { describe, expect, it } from "@jest/globals";
import { P2pError } from "../../../src/p2p/errors.js";
import { type NodeRecord } from "../../../src/p2p/node-record.js";
import { pageOf } from "../../../src/p2p/pages.js";
import { aRecord, aRow, anAddress } from "../../support/peers.js";

const nobody = (): boolean => false;
const records = (count: number): NodeRecord[] =>
  Array.from({ length: count }, (_, n) => aRecord({ address: anAddress(n * 7) }));

/** Walks through all pages. */
function walk(all: NodeRecord[], pageSize: number): string[][] {
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = pageOf(all, { pageSize, pageToken }, nobody);
    pages.push(page.nodes.map(({ name }) => name));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return pages;
}

describe("the pages of the table", () => {
  it.each([1, 7, 99, 100, 101, 1000])("of %d nodes hold every node once, sorted by name", (pageSize) => {
    const all = records(100);
    const pages = walk(all.toReversed(), pageSize);
    const names = all.map(({ address }) => `nodes/${address.host}:8088`).sort();
    expect(pages.flat()).toEqual(names);
    expect(pages).toHaveLength(Math.ceil(100 / pageSize));
  });

  it("of an empty table are one, and empty", () => {
    expect(walk([], 10)).toEqual([[]]);
  });

  it("hold at most a thousand nodes", () => {
    expect(walk(records(1_500), 5_000).map((page) => page.length)).toEqual([1_000, 500]);
  });

  it("end early when they grow heavy, and lose nobody", () => {
    const all = records(700).map((record) => ({
      ...record,
      row: aRow({ address: record.address, publicKey: "k".repeat(8_000) }),
    }));
    const pages = walk(all, 1_000);
    expect(pages.length).toBeGreaterThan(2);
    expect(pages.flat()).toHaveLength(700);
    expect(Math.max(...pages.map((page) => page.length)) * 8_300).toBeLessThan(2.5 * 1024 * 1024);
  });

  it("go on after the place where they stopped, though nodes come and go", () => {
    const all = records(10).sort((a, b) => (a.address.host < b.address.host ? -1 : 1));
    const first = pageOf(all, { pageSize: 5, pageToken: "" }, nobody);
    const rest = pageOf(all.slice(6), { pageSize: 50, pageToken: first.nextPageToken }, nobody);
    expect(rest.nodes.map(({ address }) => address)).toEqual(all.slice(6).map(({ address }) => address));
  });

  it("say which node is our own", () => {
    const [first] = pageOf(records(2), { pageSize: 1, pageToken: "" }, () => true).nodes;
    expect(first!.isSelf).toBe(true);
  });

  it.each([
    "x",
    "=",
    Buffer.from("n2:45.0.0.1:8088").toString("base64url"),
    `${Buffer.from("n1:a").toString("base64url")}=`,
    "bjE6YQ\n",
  ])("are not continued by a token that is none of ours: %j", (pageToken) => {
    expect(() => pageOf(records(3), { pageSize: 1, pageToken }, nobody)).toThrow(P2pError);
  });
});

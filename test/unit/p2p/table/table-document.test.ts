import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import {
  formatTableDocument,
  parseTableDocument,
  toFileRow,
} from "../../../../src/p2p/table/table-document.js";
import type { PeerRow } from "../../../../src/peer-api/contract.js";

const samples = new URL("../../../fixtures/samples/", import.meta.url);
const text = (name: string): string => readFileSync(new URL(name, samples), "utf8");

/** What the file would become if it were written as it was read, each row made anew. */
function rewritten(json: string): string {
  const document = parseTableDocument(json);
  const rows = document.rows.map((fileRow) =>
    fileRow.row === undefined ? fileRow : toFileRow(fileRow.row, fileRow.raw),
  );
  return formatTableDocument({ ...document, rows });
}

describe("the table file", () => {
  it.each(["ip-table.2026-01.json"])("of today (%s) is written back byte for byte", (name) => {
    expect(rewritten(text(name))).toBe(text(name));
  });

  it.each(readdirSync(samples).filter((name) => name.startsWith("ip-table.") && !name.includes("null")))(
    "of every version is written in today's shape, with one space, and read alike: %s",
    (name) => {
      const written = rewritten(text(name));
      expect(written).toMatch(/^\{\n "ip_address": \[\n {2}\{\n {3}"Name": /);
      const rowsOf = (json: string): (PeerRow | undefined)[] =>
        parseTableDocument(json).rows.map(({ row }) => row);
      expect(rowsOf(written)).toEqual(rowsOf(text(name)));
      expect(rewritten(written)).toBe(written);
      expect(
        Object.keys((JSON.parse(written) as { ip_address: object[] }).ip_address[0]!).length,
      ).toBeGreaterThanOrEqual(16);
    },
  );

  it.each([
    "",
    " \n",
    "\ufeff",
    "{}",
    '{"ip_address":null}',
    '{"IP_ADDRESS":[]}',
    '\ufeff{"ip_address":[]}',
    text("ip-table.null.json"),
  ])("is an empty table: %j", (json) => {
    expect(parseTableDocument(json).rows).toEqual([]);
    expect(JSON.parse(rewritten(json))).toEqual({ ip_address: [] });
  });

  it.each(["", "{}"])("without a manner of its own is written with one space: %j", (json) => {
    const document = parseTableDocument(json);
    expect(formatTableDocument({ ...document, rows: [{ raw: 1 }] })).toBe('{\n "ip_address": [\n  1\n ]\n}');
  });

  it.each([
    "null",
    "[]",
    "7",
    '"x"',
    "{",
    '{"ip_address":{}}',
    '{"ip_address":"x"}',
    '{"ip_address":[]}}',
    "\u0000",
  ])("is none: %j", (json) => {
    expect(() => parseTableDocument(json)).toThrow(SyntaxError);
  });

  it.each([
    ["one space", " "],
    ["two spaces", "  "],
    ["a tab", "\t"],
    ["nothing", ""],
  ])("keeps its indent: %s", (_, indent) => {
    const json = JSON.stringify({ ip_address: [1], other: { a: [1] } }, null, indent);
    expect(rewritten(json)).toBe(json);
    expect(rewritten(`${json}\n`)).toBe(`${json}\n`);
  });

  it("loses its byte order mark", () => {
    expect(rewritten('\ufeff{"ip_address":[1]}')).toBe('{"ip_address":[1]}');
  });

  it("keeps unknown fields of the table and of its rows, whatever they are called", () => {
    const json =
      '{"ip_address":[{"IPV4":"45.0.0.1","extra":{"deep":[1,{"a":null}]},"__proto__":{"polluted":true},"constructor":1}],"__proto__":{"polluted":1},"Version":3}';
    const again = JSON.parse(rewritten(json)) as Record<string, unknown>;
    expect(Object.entries(again).filter(([key]) => key !== "ip_address")).toEqual([
      ["__proto__", { polluted: 1 }],
      ["Version", 3],
    ]);
    const [row] = again["ip_address"] as Record<string, unknown>[];
    expect(Object.entries(row!).slice(16)).toEqual([
      ["extra", { deep: [1, { a: null }] }],
      ["__proto__", { polluted: true }],
      ["constructor", 1],
    ]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it.each([
    '{"IPV4":"0.0.0.0","ServerPort":"8088","Name":"myself","x":1}',
    '{"IPV4":"","IPV6":""}',
    '{"IPV4":"not an address"}',
    '{"IPV4":"45.0.0.1","ServerPort":"abc"}',
    "null",
    "7",
    '"text"',
    "[1]",
  ])("keeps a row that names no node as it is: %s", (row) => {
    const document = parseTableDocument(`{"ip_address":[${row}]}`);
    expect(document.rows[0]).not.toHaveProperty("row");
    expect(formatTableDocument(document)).toBe(`{"ip_address":[${row}]}`);
  });

  it("keeps a name that somebody typed", () => {
    const json = '{"ip_address":[{"IPV4":"node.example","IPV6":"2a00::1","ServerPort":"9"}]}';
    expect(parseTableDocument(json).rows[0]!.row!.address).toEqual({ host: "node.example", port: 9 });
    expect(parseTableDocument(rewritten(json)).rows[0]!.row!.address).toEqual({
      host: "node.example",
      port: 9,
    });
  });

  it("keeps the spelling of texts that we show cleaned", () => {
    const json = '{"ip_address":[{"Name":"a\\u0007b","IPV4":"45.0.0.1","PublicKey":"ssh-rsa AAAA\\n"}]}';
    const [row] = (JSON.parse(rewritten(json)) as { ip_address: Record<string, unknown>[] }).ip_address;
    expect(row).toMatchObject({ Name: "a\u0007b", PublicKey: "ssh-rsa AAAA\n" });
    expect(parseTableDocument(json).rows[0]!.row!.machineName).toBe("ab");
  });

  it("writes base64 of 2023 as the text it is, for today's readers", () => {
    const [, row] = (
      JSON.parse(rewritten(text("ip-table.2023-03.json"))) as { ip_address: Record<string, unknown>[] }
    ).ip_address;
    expect(row!["CustomInformation"]).toBe("role=render");
  });

  it("has one list, though it came with several in different cases", () => {
    const json = '{"IP_Address":[{"IPV4":"45.0.0.2"}],"ip_address":[{"IPV4":"45.0.0.1"}],"x":1}';
    const again = JSON.parse(rewritten(json)) as Record<string, unknown>;
    expect(Object.keys(again)).toEqual(["ip_address", "x"]);
    expect((again["ip_address"] as { IPV4: string }[]).map(({ IPV4 }) => IPV4)).toEqual([
      "45.0.0.1",
      "45.0.0.2",
    ]);
  });
});

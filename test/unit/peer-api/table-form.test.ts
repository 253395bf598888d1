import { describe, expect, it } from "@jest/globals";
import { toWireRow } from "../../../src/peer-api/ip-table-rows.js";
import { buildTableForm } from "../../../src/peer-api/table-form.js";
import { anAddress, aRow } from "../../support/peers.js";

interface Part {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Takes a multipart body apart by the letter of RFC 2046, and refuses everything that is not by the letter. */
function partsOf(contentType: string, body: Buffer): Part[] {
  const boundary = /^multipart\/form-data; boundary=([0-9A-Za-z'()+_,\-./:=?]{1,70})$/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error(`no multipart type: ${contentType}`);
  const text = body.toString("latin1");
  const open = `--${boundary}\r\n`;
  const between = `\r\n--${boundary}\r\n`;
  const end = `\r\n--${boundary}--\r\n`;
  if (!text.startsWith(open) || !text.endsWith(end)) throw new Error("not framed by its boundary");
  return text
    .slice(open.length, -end.length)
    .split(between)
    .map((part) => {
      const at = part.indexOf("\r\n\r\n");
      if (at < 0) throw new Error("a part without a head");
      const lines = part.slice(0, at).split("\r\n");
      const headers = lines
        .map((line) => /^([A-Za-z-]+): (.*)$/.exec(line)!)
        .map((m) => [m[1]!.toLowerCase(), m[2]!]);
      return {
        headers: new Map(headers as [string, string][]),
        body: Buffer.from(part.slice(at + 4), "latin1"),
      };
    });
}

describe("the form that a table is sent in", () => {
  it("is one file part named json, which holds the table", () => {
    const rows = [aRow({ machineName: "Köln \r\n--x" }), aRow({ address: anAddress(2, 9) })];
    const { contentType, body } = buildTableForm(rows);
    const parts = partsOf(contentType, body);
    expect(parts).toHaveLength(1);
    expect(parts[0]!.headers.get("content-disposition")).toBe(
      'form-data; name="json"; filename="ip_table.json"',
    );
    expect(parts[0]!.headers.get("content-type")).toBe("application/json");
    expect(JSON.parse(parts[0]!.body.toString())).toEqual({ ip_address: rows.map(toWireRow) });
  });

  it("holds an empty list for no rows, which no version takes for an error", () => {
    const { contentType, body } = buildTableForm([]);
    expect(JSON.parse(partsOf(contentType, body)[0]!.body.toString())).toEqual({ ip_address: [] });
  });
});

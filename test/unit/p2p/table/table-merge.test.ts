import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { keyOf, newRecord, type NodeRecord } from "../../../../src/p2p/node-record.js";
import { fingerprint } from "../../../../src/p2p/table/side-file.js";
import type { FileRow } from "../../../../src/p2p/table/table-document.js";
import { mergeTable } from "../../../../src/p2p/table/table-merge.js";
import { toWireRow } from "../../../../src/peer-api/ip-table-rows.js";
import { aRecord, anAddress, aRow, tableOf } from "../../../support/peers.js";

const key = (n: number): string => keyOf({ address: anAddress(n) });
const ourNode = (n: number, overrides: Partial<NodeRecord> = {}): NodeRecord =>
  aRecord({ address: anAddress(n), ...overrides });

/** A file row for node `n`; the version tells its content. */
function fileRow(n: number, version = "1"): FileRow {
  const row = aRow({ address: anAddress(n), machineName: version });
  return { raw: toWireRow(row), row };
}
const baseOf = (...rows: FileRow[]): Map<string, string> =>
  new Map(rows.map(({ row, raw }) => [keyOf(row!), fingerprint(raw)]));

describe("the table and its file, joined", () => {
  it("at the first import are the operator's rows", () => {
    const { nodes } = mergeTable({ ours: new Map(), theirs: [fileRow(1), fileRow(2)], base: undefined });
    expect([...nodes.values()].map(({ origin, state }) => [origin, state])).toEqual([
      ["operator", "UNPROBED"],
      ["operator", "UNPROBED"],
    ]);
  });

  it("gain the rows that others added, as peers' rows", () => {
    const { nodes } = mergeTable({
      ours: tableOf(ourNode(1)),
      theirs: [fileRow(1), fileRow(2)],
      base: baseOf(fileRow(1)),
    });
    expect(nodes.get(key(2))!.origin).toBe("peer");
  });

  it("take the fields of a row that others changed, and keep what we measured and whose word it is", () => {
    const measurement = { latencyNs: 9, sampleCount: 3, measureTimeMs: 5 };
    const ours = ourNode(1, { state: "ACTIVE", origin: "operator", measurement });
    const { nodes } = mergeTable({
      ours: tableOf(ours),
      theirs: [fileRow(1, "2")],
      base: baseOf(fileRow(1)),
    });
    expect(nodes.get(key(1))).toEqual({ ...ours, row: aRow({ address: anAddress(1), machineName: "2" }) });
  });

  it("take a latency that others wrote anew where ours was only read from the file", () => {
    const row = aRow({ address: anAddress(1), latencyNs: 700 });
    const read = ourNode(1, { measurement: { latencyNs: 300, sampleCount: 0 } });
    const { nodes } = mergeTable({
      ours: tableOf(read),
      theirs: [{ raw: toWireRow(row), row }],
      base: new Map(),
    });
    expect(nodes.get(key(1))!.measurement).toEqual({ latencyNs: 700, sampleCount: 0 });
    const blank = mergeTable({ ours: tableOf(read), theirs: [fileRow(1)], base: new Map() });
    expect(blank.nodes.get(key(1))).not.toHaveProperty("measurement");
  });

  it("keep our row where nobody changed the file's", () => {
    const ours = ourNode(1, { row: aRow({ address: anAddress(1), machineName: "ours" }) });
    const { nodes } = mergeTable({ ours: tableOf(ours), theirs: [fileRow(1)], base: baseOf(fileRow(1)) });
    expect(nodes.get(key(1))).toBe(ours);
  });

  it("leave out a row that we removed, unless theirs has changed since", () => {
    const base = baseOf(fileRow(1), fileRow(2));
    const { nodes } = mergeTable({ ours: new Map(), theirs: [fileRow(1), fileRow(2, "2")], base });
    expect([...nodes.keys()]).toEqual([key(2)]);
    expect(nodes.get(key(2))!.origin).toBe("peer");
  });

  it("keep a row that others removed only if the node answered in our last crawl", () => {
    const states = ["ACTIVE", "UNREACHABLE", "UNPROBED"] as const;
    const ours = states.map((state, n) => ourNode(n, { state }));
    const base = baseOf(fileRow(0), fileRow(1), fileRow(2));
    expect([...mergeTable({ ours: tableOf(...ours), theirs: [], base }).nodes.keys()]).toEqual([key(0)]);
  });

  it("keep a row of ours that was never in the file", () => {
    const { nodes } = mergeTable({ ours: tableOf(ourNode(1)), theirs: [], base: new Map() });
    expect(nodes.size).toBe(1);
  });

  it("hold the first of several rows for one node", () => {
    const { nodes } = mergeTable({
      ours: new Map(),
      theirs: [fileRow(1, "first"), fileRow(1, "second")],
      base: new Map(),
    });
    expect([...nodes.values()].map(({ row }) => row.machineName)).toEqual(["first"]);
  });

  it("leave out rows that name no node", () => {
    const nameless: FileRow = { raw: { IPV4: "0.0.0.0" } };
    const { nodes } = mergeTable({ ours: new Map(), theirs: [nameless, fileRow(1)], base: undefined });
    expect(nodes.size).toBe(1);
  });

  it("follow the rules for every combination of ours, theirs and base", () => {
    const version = fc.constantFrom("1", "2", undefined);
    const state = fc.constantFrom("ACTIVE" as const, "UNREACHABLE" as const, "UNPROBED" as const, undefined);
    const anyCase = fc.record({ ours: state, theirs: version, base: version });
    fc.assert(
      fc.property(fc.array(anyCase, { maxLength: 12 }), (cases) => {
        const present = cases.map((one, n) => ({ ...one, n }));
        const ours = tableOf(
          ...present.flatMap(({ ours, n }) => (ours === undefined ? [] : [ourNode(n, { state: ours })])),
        );
        const theirs = present.flatMap(({ theirs, n }) => (theirs === undefined ? [] : [fileRow(n, theirs)]));
        const base = baseOf(
          ...present.flatMap(({ base, n }) => (base === undefined ? [] : [fileRow(n, base)])),
        );
        const { nodes } = mergeTable({ ours, theirs, base });
        for (const { ours: ourState, theirs: file, base: written, n } of present) {
          const found = nodes.get(key(n));
          const expected = ((): string => {
            if (ourState === undefined)
              return file === undefined || file === written ? "absent" : `theirs ${file}`;
            if (file === undefined) return written === undefined || ourState === "ACTIVE" ? "ours" : "absent";
            return file === written ? "ours" : `ours with theirs ${file}`;
          })();
          const actual = ((): string => {
            if (found === undefined) return "absent";
            if (ourState === undefined) return `theirs ${found.row.machineName}`;
            expect(found.state).toBe(ourState);
            return found.row.machineName === "" ? "ours" : `ours with theirs ${found.row.machineName}`;
          })();
          expect([n, actual]).toEqual([n, expected]);
        }
        expect(nodes.size).toBeLessThanOrEqual(present.length);
      }),
      { numRuns: 500 },
    );
  });

  it("change nothing when they are joined a second time", () => {
    const ours = tableOf(ourNode(1, { state: "ACTIVE" }), ourNode(2));
    const theirs = [fileRow(1, "2"), fileRow(3)];
    const once = mergeTable({ ours, theirs, base: baseOf(fileRow(1), fileRow(2)) }).nodes;
    const twice = mergeTable({ ours: once, theirs, base: baseOf(...theirs) }).nodes;
    expect(twice).toEqual(once);
    expect(newRecord(fileRow(3).row!, "peer")).toEqual(once.get(key(3)));
  });
});

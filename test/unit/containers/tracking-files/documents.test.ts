import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { containersKind, groupsKind } from "../../../../src/containers/tracking-files/file-kinds.js";
import { Fingerprints } from "../../../../src/containers/tracking-files/entry.js";
import { planGroups, readGroups } from "../../../../src/containers/tracking-files/group-document.js";
import type { FileKind } from "../../../../src/containers/tracking-files/tracking-file.js";
import { planTracked, readTracked } from "../../../../src/containers/tracking-files/tracked-document.js";
import type { JsonValue } from "../../../../src/store/contract.js";
import { formatElement, formatListText } from "../../../../src/store/mirror/list-text.js";
import { Slices } from "../../../../src/store/mirror/slices.js";
import { systemClock } from "../../../../src/system/clock.js";
import { anEntry } from "../../../support/tracking-state.js";

const folder = new URL("../../../fixtures/samples/", import.meta.url);
const samples = (beginning: string): string[] =>
  readdirSync(folder).filter((name) => name.startsWith(beginning));
const slices = new Slices(systemClock);
const fingerprints = new Fingerprints();

async function textOf<Document>(kind: FileKind<Document>, document: Document): Promise<string> {
  const surroundings = kind.surroundingsOf(document);
  const elements = [...kind.valuesOf(document)].map((value) => formatElement(value, surroundings.layout));
  let text = "";
  for await (const piece of formatListText(surroundings, elements, slices)) text += piece;
  return text;
}
const tracked = (list: readonly JsonValue[]) =>
  readTracked(Buffer.from(JSON.stringify({ TrackContainer: list })), slices).then(({ document }) => document);
const entry = (IpAddress: string, ID = "abc", Container: JsonValue = { ID: "abc" }) => ({
  ID,
  Container,
  IpAddress,
});

describe("a tracking file", () => {
  const written = [...samples("trackcontainers."), ...samples("grouptrackcontainers.")].filter(
    (name) => !/brace|zero-bytes/.test(name),
  );
  it.each(written)("as %s is written back byte by byte", async (name) => {
    const bytes = readFileSync(new URL(name, folder));
    const text = name.startsWith("group")
      ? await textOf(groupsKind, (await readGroups(bytes, slices)).document)
      : await textOf(containersKind, (await readTracked(bytes, slices)).document);
    expect(text).toBe(bytes.toString());
  });

  it("comes back as the objects it was where its text is the same", async () => {
    const noId = entry("192.0.2.9", "", { ID: "" });
    const list = [
      entry("192.0.2.1", "one"),
      noId,
      entry("192.0.2.2", "two"),
      noId,
      entry("192.0.2.3", "gone"),
    ];
    const document = await tracked(list);
    const { layout } = document.surroundings;
    const known = new Map(document.entries.map(({ value }) => [formatElement(value, layout), value]));
    const next = [...list.slice(0, 4), entry("192.0.2.1", "new")].toSpliced(2, 1, entry("192.0.2.4", "two"));
    const bytes = Buffer.from(JSON.stringify({ TrackContainer: next }));
    const again = (await readTracked(bytes, slices, { document, known })).document;
    expect(again).toEqual(await tracked(next));
    expect(again.entries[0]).toBe(document.entries[0]);
  });

  it("of groups comes back as the objects it was where its text is the same", async () => {
    const group = (ID: string, ...members: string[]) => ({
      ID,
      TrackContainer: members.map((id) => entry("192.0.2.1", id)),
    });
    const read = (groups: JsonValue, last?: Parameters<typeof readGroups>[2]) =>
      readGroups(Buffer.from(JSON.stringify({ Groups: groups })), slices, last);
    const { document } = await read([group("grp1", "a", "b"), group("grp2", "c")]);
    const { layout } = document.surroundings;
    const known = new Map(document.groups.map(({ value }) => [formatElement(value, layout), value]));
    const next = [group("grp2", "c"), group("grp1", "a")];
    const again = (await read(next, { document, known })).document;
    expect(again).toEqual((await read(next)).document);
    expect(again.groups[0]).toBe(document.groups[1]);
  });

  it("gets a new entry as the original writes it", async () => {
    const { document } = await readTracked(Buffer.alloc(0), slices);
    const added = anEntry(1);
    const planned = await planTracked(document, new Map([[added.key, added]]), () => false, {
      fingerprints,
      slices,
    });
    expect(await textOf(containersKind, planned)).toBe(
      JSON.stringify(
        { TrackContainer: [{ ID: added.id, Container: added.raw, IpAddress: added.ipAddressText }] },
        null,
        "\t",
      ),
    );
  });

  it("keeps the line ends it has", async () => {
    const text = '{\r\n  "TrackContainer": [\r\n    {\r\n      "ID": ""\r\n    }\r\n  ]\r\n}\r\n';
    expect(await textOf(containersKind, (await readTracked(Buffer.from(text), slices)).document)).toBe(text);
  });
});

describe("an entry", () => {
  it.each([
    ["203.0.113.7", "203.0.113.7:8088/abc"],
    ["203.0.113.7:8088", "203.0.113.7:8088/abc"],
    ["203.0.113.7:9", "203.0.113.7:9/abc"],
    ["2001:DB8:0::1", "[2001:db8::1]:8088/abc"],
    ["[2001:db8::1]:8088", "[2001:db8::1]:8088/abc"],
    ["[::ffff:203.0.113.7]:8088", "203.0.113.7:8088/abc"],
    ["Node.Example:80", "node.example:80/abc"],
  ])("at %s is %s", async (address, key) => {
    expect([...(await tracked([entry(address)])).byKey.keys()]).toEqual([key]);
  });

  it("has the outer id, or the inner one where that is missing", async () => {
    const list = [
      entry("192.0.2.1", "outer"),
      entry("192.0.2.1", ""),
      { Container: { ID: "x" }, IpAddress: "192.0.2.1" },
    ];
    expect([...(await tracked(list)).byKey.values()].map(({ id }) => id)).toEqual(["outer", "abc", "x"]);
  });

  it("without an id is told apart by what it holds, the very same ones by number", async () => {
    const idless = (mood: string) => entry("192.0.2.1", "", { Mood: mood });
    const { byKey } = await tracked([idless("a"), idless("a"), idless("b")]);
    expect(byKey.size).toBe(3);
    for (const [key, { id }] of byKey) {
      expect(id).toBe("");
      expect(key).toMatch(/^192\.0\.2\.1:8088\/~[0-9a-f]{16}(-2)?$/);
    }
  });

  it.each<[JsonValue]>([
    [17],
    [null],
    [{ ID: "x" }],
    [entry("no address:at all")],
    [entry("203.0.113.7:99999")],
    [[]],
  ])("that is %j names nobody, and stays", async (value) => {
    const document = await tracked([value]);
    expect(document.byKey.size).toBe(0);
    const planned = await planTracked(document, new Map(), () => false, { fingerprints, slices });
    expect(planned).toBe(document);
  });

  it("is one, however often and however it is spelled; the first counts", async () => {
    const document = await tracked([
      entry("192.0.2.1", "abc", { A: 1 }),
      entry("192.0.2.1:8088", "abc", { A: 2 }),
    ]);
    expect([...document.byKey.values()].map(({ raw }) => raw)).toEqual([{ A: 1 }]);
  });

  it("without a DockerVM is read, and stays as it is", async () => {
    const document = await tracked([{ ID: "abc", Container: null, IpAddress: "192.0.2.1" }]);
    expect(await planTracked(document, document.byKey, () => false, { fingerprints, slices })).toBe(document);
  });

  it("that changes keeps its own fields around", async () => {
    const document = await tracked([
      { Note: 1, id: "abc", container: { ID: "abc" }, IpAddress: "192.0.2.1" },
    ]);
    const changed = new Map(
      [...document.byKey].map(([key, old]) => [key, { ...old, raw: { ID: "abc", GPU: "true" } }]),
    );
    const planned = await planTracked(document, changed, () => false, { fingerprints, slices });
    expect(planned.entries.map(({ value }) => value)).toEqual([
      { Note: 1, id: "abc", container: { ID: "abc", GPU: "true" }, IpAddress: "192.0.2.1" },
    ]);
  });
});

describe("a group", () => {
  const wanted = (keys: readonly string[], entries = [anEntry(1), anEntry(2)]) => ({
    groups: [{ id: "grp1", memberKeys: keys }],
    tracked: (key: string) => entries.find((tracked) => tracked.key === key),
    refusedGroups: new Set<string>(),
    refusedMembers: new Set<string>(),
    fingerprints,
  });
  const read = (groups: JsonValue) => readGroups(Buffer.from(JSON.stringify({ Groups: groups })), slices);

  it("is null without members, as the original makes it", async () => {
    const { document } = await read([]);
    expect(await textOf(groupsKind, await planGroups(document, wanted([]), slices))).toBe(
      '{"Groups":[{"ID":"grp1","TrackContainer":null}]}',
    );
  });

  it("holds full copies of tracked entries, and none of others", async () => {
    const { document } = await read([]);
    const planned = await planGroups(document, wanted([anEntry(2).key, "192.0.2.1:8088/stranger"]), slices);
    expect(planned.groups[0]?.value).toEqual({
      ID: "grp1",
      TrackContainer: [{ ID: anEntry(2).id, Container: anEntry(2).raw, IpAddress: anEntry(2).ipAddressText }],
    });
  });

  it("keeps fields that we do not know, at each level", async () => {
    const { id, raw, ipAddressText } = anEntry(1);
    const member = { ID: id, Note: 1, Container: { ...raw, Mood: "good" }, IpAddress: ipAddressText };
    const { document } = await read([{ ID: "grp1", Colour: "red", TrackContainer: [member] }]);
    const planned = await planGroups(document, wanted([anEntry(1).key, anEntry(2).key]), slices);
    expect(planned.groups[0]?.value).toMatchObject({ Colour: "red", TrackContainer: [member, {}] });
    expect(await planGroups(document, wanted([anEntry(1).key]), slices)).toBe(document);
  });

  it.each<[JsonValue]>([[17], [{ ID: "" }], [{ ID: "a\nb" }], [{ ID: "grp", TrackContainer: "none" }]])(
    "that is %j is none, and stays",
    async (value) => {
      const { document } = await read([value]);
      expect(document.byId.size).toBe(0);
      expect(await planGroups(document, { ...wanted([]), groups: [] }, slices)).toBe(document);
    },
  );
});

/** What our callback in Ansible says, cut into lines and read. */
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { EventLines } from "../../../src/plugins/event-lines.js";
import { parseEvent } from "../../../src/plugins/task-events.js";

const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const all = [0, ...ends, bytes.length];
  return all.slice(1).map((end, index) => bytes.subarray(all[index], end));
};

describe("lines", () => {
  it("are the same however the stream is cut, and none is longer than the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 30 })), fc.array(fc.nat()), (texts, places) => {
        const wanted = texts.map((text) => text.replaceAll("\n", ""));
        const lines = new EventLines(40);
        const stream = Buffer.from(wanted.map((text) => `${text}\n`).join(""));
        const heard = cut(stream, places).flatMap((piece) => [...lines.push(piece)]);
        const kept = wanted.filter((text) => Buffer.byteLength(text) <= 40);
        expect(heard).toEqual(kept.map((text) => Buffer.from(text).toString()));
      }),
    );
  });

  it("of 100 MiB without an end hold nothing, and the next one is read", () => {
    const lines = new EventLines(1_024);
    const piece = Buffer.alloc(64 * 1_024, "x");
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 1_600; count += 1) expect([...lines.push(piece)]).toEqual([]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    expect([...lines.push(Buffer.from("x\nnext\n"))]).toEqual(["next"]);
  });
});

describe("an event", () => {
  it("is read field by field", () => {
    const line = JSON.stringify({
      event: "result",
      host: "host1",
      task: "Install",
      status: "changed",
      ignored: false,
      message: "half \ud800 a character",
      elapsedMs: 12.4,
      outputs: [{ stream: "stderr", text: "warning", droppedBytes: 3 }],
    });
    expect(parseEvent(line)).toEqual({
      kind: "result",
      host: "host1",
      task: "Install",
      status: "CHANGED",
      isIgnored: false,
      message: "half \ufffd a character",
      elapsedMs: 12,
      outputs: [{ stream: "STDERR", text: "warning", droppedBytes: 3 }],
    });
  });

  it("tells how each host fared, a host of an odd name too", () => {
    const line =
      '{"event":"stats","hosts":{"__proto__":{"failures":1},"host1":{"failures":0,"unreachable":2}}}';
    const event = parseEvent(line);
    expect(event?.kind === "stats" ? [...event.hosts] : []).toEqual([
      ["__proto__", { failures: 1, unreachable: 0 }],
      ["host1", { failures: 0, unreachable: 2 }],
    ]);
  });

  it.each([
    "",
    "nonsense",
    "[]",
    "null",
    "7",
    "{}",
    '{"event":"result","status":"toString"}',
    '{"event":"play"}',
  ])("is not what %j is", (line) => {
    expect(parseEvent(line)).toBeUndefined();
  });

  it("is never an exception, whatever stands in the line", () => {
    const kinds = fc.constantFrom("start", "result", "output", "stats");
    const odd = fc.record({
      event: kinds,
      host: fc.jsonValue(),
      outputs: fc.jsonValue(),
      hosts: fc.jsonValue(),
    });
    fc.assert(fc.property(odd, (value) => void parseEvent(JSON.stringify(value))));
    fc.assert(fc.property(fc.string(), (text) => void parseEvent(text)));
  });
});

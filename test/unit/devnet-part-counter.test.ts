import { describe, expect, it } from "@jest/globals";
import { createPartCounter, type PartCounter } from "../../src/devnet/part-counter.js";

const head = (disposition: string): string => `Content-Disposition: form-data; ${disposition}\r\n\r\n`;
const fileHead = head('name="file"; filename="50.bin"');
const form = (...parts: readonly string[]): string =>
  `${parts.map((part) => `--xyz\r\n${part}\r\n`).join("")}--xyz--\r\n`;

/** Feeds a body in chunks of one size. */
function count(
  body: string,
  chunkBytes = Infinity,
  contentType = 'multipart/form-data; boundary="xyz"',
): PartCounter {
  const bytes = Buffer.from(body, "latin1");
  const counter = createPartCounter(contentType, "file");
  for (let at = 0; at < bytes.length; at += Math.min(chunkBytes, bytes.length))
    counter.push(bytes.subarray(at, at + chunkBytes));
  return counter;
}

const outcome = (counter: PartCounter): unknown => ({ part: counter.part(), isClosed: counter.isClosed() });

describe("a file that streams by", () => {
  const content = "\r\n--xy\r\n--x\r\r\n--xy-\r\n\r\nend\r";

  it("is counted byte for byte however the body is cut into chunks", () => {
    const body = form(head('name="other"') + "1", fileHead + content, fileHead + "a second one");
    for (let chunkBytes = 1; chunkBytes <= body.length; chunkBytes++) {
      expect(outcome(count(body, chunkBytes))).toEqual({
        part: { fileName: "50.bin", bytes: content.length },
        isClosed: true,
      });
    }
  });

  it.each([1, 2, 3, Infinity])("may be empty, in chunks of %d", (chunkBytes) => {
    const expected = { part: { fileName: "50.bin", bytes: 0 }, isClosed: true };
    expect(outcome(count(form(fileHead), chunkBytes))).toEqual(expected);
    // Without a line end of its own: the head's one belongs to the boundary.
    expect(outcome(count(`--xyz\r\n${fileHead}--xyz--`, chunkBytes))).toEqual(expected);
  });

  it("is counted as far as it came when it breaks off, without what may be the boundary", () => {
    const counter = count(`--xyz\r\n${fileHead}0123456789\r\n--x`);
    expect(outcome(counter)).toEqual({ part: { fileName: "50.bin", bytes: 10 }, isClosed: false });
    counter.push(Buffer.from("7"));
    expect(counter.part()?.bytes).toBe(16);
  });

  it.each([
    ["a plain field", form(head('name="file"') + "1")],
    ["a file of another name", form(head('name="json"; filename="file"') + "1")],
    ["a part without a head", form("\r\nfile")],
    ["no part", "--xyz--\r\n"],
  ])("is missed in a form with %s", (_what, body) => {
    expect(outcome(count(body))).toEqual({ part: undefined, isClosed: true });
  });

  it.each([undefined, "application/json", "multipart/form-data"])(
    "is not looked for in %s",
    (contentType) => {
      const counter = createPartCounter(contentType, "file");
      counter.push(Buffer.from(form(`${fileHead}1`)));
      expect(outcome(counter)).toEqual({ part: undefined, isClosed: false });
    },
  );

  it("is not looked for behind a head that never ends, which is not held either", () => {
    const counter = count(`--xyz\r\n${"x".repeat(20_000)}\r\n\r\n\r\n${form(`${fileHead}1`)}`, 1_000);
    expect(outcome(counter)).toEqual({ part: undefined, isClosed: false });
  });
});

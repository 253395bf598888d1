import { describe, expect, it } from "@jest/globals";
import { readUpload, type Upload } from "../../src/devnet/multipart.js";
import { createUploadReader } from "../../src/devnet/upload-rows.js";

const form = (parts: readonly string[], boundary = "xyz"): Buffer =>
  Buffer.from(`${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join("")}--${boundary}--\r\n`);
const filePart = (content: string, disposition = 'name="json"; filename="/home/u/ip_table.json"'): string =>
  `Content-Disposition: form-data; ${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n${content}`;
const read = (parts: readonly string[]): Upload =>
  readUpload("multipart/form-data; boundary=xyz", form(parts));

describe("an uploaded table", () => {
  it("is the file part named json, byte for byte, wherever it stands", () => {
    const content = "a\r\n\r\n--xy\r\nb\u0000\u00ff";
    const upload = read(['Content-Disposition: form-data; name="other"\r\n\r\n1', filePart(content)]);
    expect(upload).toEqual({ kind: "file", content: Buffer.from(content) });
  });

  it("may be empty, and its boundary quoted", () => {
    const upload = readUpload('multipart/form-data; boundary="x y"', form([filePart("")], "x y"));
    expect(upload).toEqual({ kind: "file", content: Buffer.alloc(0) });
  });

  it.each([
    ["a plain field", [`Content-Disposition: form-data; name="json"\r\n\r\n{}`]],
    ["a file of another name", [filePart("{}", 'name="table"; filename="json"')]],
    ["nothing", []],
  ])("is missed when the form holds %s", (_what, parts) => {
    expect(parts.length === 0 ? read([filePart("", 'name="x"')]) : read(parts)).toEqual({
      kind: "error",
      text: "http: no such file",
    });
  });

  it.each([undefined, "application/json", "text/multipart/form-data"])(
    "is not looked for in %s",
    (contentType) => {
      expect(readUpload(contentType, form([filePart("{}")]))).toEqual({
        kind: "error",
        text: "request Content-Type isn't multipart/form-data",
      });
    },
  );

  it("is refused when the form breaks off", () => {
    const whole = form([filePart("{}")]);
    const broken = readUpload("multipart/form-data; boundary=xyz", whole.subarray(0, whole.length - 8));
    expect(broken).toEqual({ kind: "error", text: "multipart: NextPart: EOF" });
  });
});

describe("the rows of an upload", () => {
  it("are read once when the same bytes come again", () => {
    const readRows = createUploadReader();
    const upload = Buffer.from('{"ip_address":[{"IPV4":"203.0.113.7"}]}');
    const rows = readRows(upload);
    expect(rows).toEqual([{ IPV4: "203.0.113.7" }]);
    expect(readRows(Buffer.from(upload))).toBe(rows);
    expect(readRows(Buffer.from('{"ip_address":null}'))).toEqual([]);
  });

  it("are null where there is no table", () => {
    const readRows = createUploadReader();
    expect(["no json", "[]", "null", '{"ip_address":7}'].map((text) => readRows(Buffer.from(text)))).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

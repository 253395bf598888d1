/**
 * Finds the file in a multipart upload the way Go's `FormFile("json")` does, and says what Go says when there is none.
 *
 * Written by hand: a library would accept or refuse other bodies than a node does.
 * Source: shared protocol notes, "Route details: POST /IpTable"; the texts about broken bodies are Go's, not measured.
 */

export type Upload =
  | { readonly kind: "file"; readonly content: Buffer }
  | { readonly kind: "error"; readonly text: string };

const notMultipart: Upload = { kind: "error", text: "request Content-Type isn't multipart/form-data" };
const noBoundary: Upload = { kind: "error", text: "no multipart boundary param in Content-Type" };
const brokenBody: Upload = { kind: "error", text: "multipart: NextPart: EOF" };
const noSuchFile: Upload = { kind: "error", text: "http: no such file" };

/** Reads the part named `json`; a plain field of that name is not a file. */
export function readUpload(contentType: string | undefined, body: Buffer): Upload {
  if (!isMultipart(contentType)) return notMultipart;
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return noBoundary;
  const parts = partsOf(body, boundary);
  if (parts === undefined) return brokenBody;
  for (const part of parts) {
    if (fileNameIn(part.head, "json") !== undefined) return { kind: "file", content: part.content };
  }
  return noSuchFile;
}

const isMultipart = (contentType: string | undefined): contentType is string =>
  contentType !== undefined && /^multipart\/form-data\s*(;|$)/i.test(contentType);

/** What separates the parts of a form; undefined if the request carries none. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (!isMultipart(contentType)) return undefined;
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  return boundary?.[1] ?? boundary?.[2];
}

/** The file name that a part's head states; undefined if the part has another name, or is a plain field. */
export function fileNameIn(head: string, partName: string): string | undefined {
  const disposition = /^content-disposition:\s*form-data(.*)$/im.exec(head)?.[1] ?? "";
  const fileName = parameter("filename", disposition) ?? "";
  return parameter("name", disposition) === partName && fileName !== "" ? fileName : undefined;
}

interface Part {
  readonly head: string;
  readonly content: Buffer;
}

/** @returns undefined if the body does not end in a closing boundary, or a part has no head */
function partsOf(body: Buffer, boundary: string): readonly Part[] | undefined {
  const opening = Buffer.from(`--${boundary}`);
  const separator = Buffer.from(`\r\n--${boundary}`);
  const parts: Part[] = [];
  let position = body.indexOf(opening);
  if (position === -1) return undefined;
  position += opening.length;
  while (body.subarray(position, position + 2).toString("latin1") !== "--") {
    const headEnd = body.indexOf("\r\n\r\n", position);
    if (headEnd === -1) return undefined;
    const end = body.indexOf(separator, headEnd + 2);
    if (end === -1) return undefined;
    const head = body.toString("utf8", position + 2, headEnd);
    parts.push({ head, content: body.subarray(headEnd + 4, Math.max(end, headEnd + 4)) });
    position = end + separator.length;
  }
  return parts;
}

function parameter(name: string, disposition: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(disposition);
  return match?.[1] ?? match?.[2];
}

/**
 * A file that is one JSON object with one list, as text: read and written element by element, in slices, because a
 * hundred thousand of them take a second. Accepts exactly what JSON.parse accepts (a property test compares), up to a depth.
 */
import type { JsonValue, RecordValue } from "../contract.js";
import { mirrorLimits } from "./limits.js";
import type { Slices } from "./slices.js";

/** How a file is laid out; kept when it is written again. */
export interface Layout {
  /** What JSON.stringify takes as indent; empty = compact. */
  readonly indent: string;
  readonly lineEnd: "\n" | "\r\n";
  readonly endsWithNewline: boolean;
}

export interface ListText {
  /** Elements of the list, or why there are none: no bytes, no such key, or null in its place. */
  readonly list: readonly JsonValue[] | "NO_BYTES" | "MISSING" | "NULL";
  /** As the file spells it. */
  readonly listKey: string;
  /** The other fields of the object. */
  readonly fields: RecordValue;
  readonly layout: Layout;
}

/** Values by their text, as `formatElement` spells them. */
export type KnownElements = ReadonlyMap<string, JsonValue>;

/**
 * Reads a file's bytes. `listKey` is matched in any case, the exact one first. An element whose text is known is that
 * value itself: most of a file is as it was, and a hundred thousand new objects are work for the garbage collector.
 *
 * @throws {SyntaxError}
 */
export async function parseListText(
  bytes: Buffer,
  listKey: string,
  defaults: Layout,
  slices: Slices,
  known: KnownElements = new Map(),
): Promise<ListText> {
  const scan = new Scan(bytes);
  scan.skipSpace();
  if (scan.isAtEnd) return { list: "NO_BYTES", listKey, fields: {}, layout: defaults };
  const members = await readMembers(scan, listKey, slices, known);
  const lists = members.filter(({ key }) => isSameKey(key, listKey));
  // One list, however often and in whatever case its key stands there: a second one would shadow it for other readers.
  const chosen = lists.findLast(({ key }) => key === listKey) ?? lists.at(-1);
  const others = members.filter((member) => !lists.includes(member));
  return {
    list: chosen === undefined ? "MISSING" : joined(chosen, lists),
    listKey: chosen?.key ?? listKey,
    // fromEntries defines keys; an assignment would let "__proto__" reach the prototype.
    fields: Object.fromEntries(others.map(({ key, value }) => [key, value])),
    layout: members.length === 0 ? defaults : layoutOf(bytes),
  };
}

interface Member {
  readonly key: string;
  readonly value: JsonValue;
}

function joined(chosen: Member, lists: readonly Member[]): readonly JsonValue[] | "NULL" {
  const ordered = [chosen, ...lists.filter((list) => list !== chosen)];
  if (ordered.every(({ value }) => value === null)) return "NULL";
  return ordered.flatMap(({ key, value }) => {
    if (value === null) return [];
    if (!Array.isArray(value)) throw new SyntaxError(`"${key}" is not a list`);
    return value as readonly JsonValue[];
  });
}

async function readMembers(
  scan: Scan,
  listKey: string,
  slices: Slices,
  known: KnownElements,
): Promise<Member[]> {
  const members: Member[] = [];
  scan.take("{");
  for (let isFirst = true; !scan.takeIf("}"); isFirst = false) {
    if (!isFirst) scan.take(",");
    const key = scan.value();
    if (typeof key !== "string") throw new SyntaxError("a key is no text");
    scan.take(":");
    const isList = isSameKey(key, listKey) && scan.isAt("[");
    members.push({ key, value: isList ? await readElements(scan, slices, known) : scan.value() });
  }
  scan.skipSpace();
  if (!scan.isAtEnd) throw new SyntaxError("something stands after the object");
  return members;
}

async function readElements(scan: Scan, slices: Slices, known: KnownElements): Promise<JsonValue[]> {
  const elements: JsonValue[] = [];
  scan.take("[");
  while (!scan.takeIf("]")) {
    if (elements.length > 0) scan.take(",");
    elements.push(scan.value(known));
    if (slices.isOver) await slices.rest();
  }
  return elements;
}

const isSameKey = (key: string, wanted: string): boolean => key.toLowerCase() === wanted.toLowerCase();

const codes = { quote: 0x22, backslash: 0x5c, brace: 0x7b, bracket: 0x5b, braceEnd: 0x7d, bracketEnd: 0x5d };
const isSpace = (code: number | undefined): boolean =>
  code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** A place in the bytes. Finds where values end; JSON.parse judges what is in them. */
class Scan {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    // A byte order mark.
    this.#at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skipSpace(): void {
    while (isSpace(this.#bytes[this.#at])) this.#at += 1;
  }

  isAt(sign: string): boolean {
    this.skipSpace();
    return this.#bytes[this.#at] === sign.charCodeAt(0);
  }

  takeIf(sign: string): boolean {
    if (!this.isAt(sign)) return false;
    this.#at += 1;
    return true;
  }

  take(sign: string): void {
    if (!this.takeIf(sign)) throw new SyntaxError(`"${sign}" is missing at byte ${String(this.#at)}`);
  }

  value(known?: KnownElements): JsonValue {
    this.skipSpace();
    const start = this.#at;
    this.#skipValue();
    const text = this.#bytes.toString("utf8", start, this.#at);
    const value = known?.get(text);
    if (value !== undefined) return value;
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // The error of JSON.parse quotes the text, which holds passwords.
      throw new SyntaxError(`no JSON at byte ${String(start)}`);
    }
  }

  #skipValue(): void {
    let depth = 0;
    do {
      const code = this.#bytes[this.#at];
      if (code === undefined) return;
      if (code === codes.quote) this.#skipString();
      else this.#at += 1;
      if (code === codes.brace || code === codes.bracket) depth += 1;
      else if (code === codes.braceEnd || code === codes.bracketEnd) depth -= 1;
      else if (depth === 0 && code !== codes.quote) this.#skipScalar();
      if (depth > mirrorLimits.maxDepth) throw new SyntaxError("it is nested too deep");
    } while (depth > 0);
  }

  #skipString(): void {
    this.#at += 1;
    for (let code = this.#bytes[this.#at]; code !== undefined; code = this.#bytes[this.#at]) {
      this.#at += code === codes.backslash ? 2 : 1;
      if (code === codes.quote) return;
    }
  }

  #skipScalar(): void {
    for (let code = this.#bytes[this.#at]; code !== undefined; code = this.#bytes[this.#at]) {
      if (isSpace(code) || code === 0x2c || code === codes.braceEnd || code === codes.bracketEnd) return;
      this.#at += 1;
    }
  }
}

/** From the white space before the first key; a compact file has none. */
function layoutOf(bytes: Buffer): Layout {
  const beginning = bytes.toString("utf8", 0, 64).replace(/^\ufeff/, "");
  const [, carriageReturn, indent = ""] = /^\s*\{(\r?)\n([ \t]{1,10})"/.exec(beginning) ?? [];
  return {
    indent,
    lineEnd: carriageReturn === "\r" ? "\r\n" : "\n",
    endsWithNewline: bytes.at(-1) === 0x0a,
  };
}

/** Spells one element of the list, as `formatListText` takes it. */
export function formatElement(value: JsonValue, layout: Layout): string {
  return nested(value, layout, 2);
}

function nested(value: JsonValue, { indent, lineEnd }: Layout, depth: number): string {
  const text = JSON.stringify(value, null, indent);
  // Line ends inside of texts are spelled \n: each one here is the layout's.
  // By split and join, because that makes one flat text: replaceAll leaves a tree that takes four times the memory.
  return indent === "" ? text : text.split("\n").join(lineEnd + indent.repeat(depth));
}

/** Characters of one piece. */
const pieceLength = 128 * 1024;

/** Spells a file in pieces: the list first, then the other fields. */
export async function* formatListText(
  { listKey, fields, layout }: Omit<ListText, "list">,
  elements: Iterable<string>,
  slices: Slices,
): AsyncGenerator<string> {
  const lineOf = (depth: number): string =>
    layout.indent === "" ? "" : layout.lineEnd + layout.indent.repeat(depth);
  const colon = layout.indent === "" ? ":" : ": ";
  let piece = `{${lineOf(1)}${JSON.stringify(listKey)}${colon}[`;
  let isEmpty = true;
  for (const element of elements) {
    piece += `${isEmpty ? "" : ","}${lineOf(2)}${element}`;
    isEmpty = false;
    if (slices.isOver) await slices.rest();
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = "";
  }
  piece += isEmpty ? "]" : `${lineOf(1)}]`;
  for (const [key, value] of Object.entries(fields)) {
    piece += `,${lineOf(1)}${JSON.stringify(key)}${colon}${nested(value, layout, 1)}`;
  }
  yield `${piece}${lineOf(0)}}${layout.endsWithNewline ? layout.lineEnd : ""}`;
}

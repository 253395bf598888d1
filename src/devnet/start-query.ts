/** Reads the queries of the container routes as a node's Go code does. Source: shared protocol notes, "Route details". */

import type { Generation, StartParameter } from "./docker-vm.js";

/** Parameter by name, decoded; the first one of each name counts. */
export type Query = ReadonlyMap<string, string>;

export interface StartOrder {
  /** How many ports to open beside those of the image. */
  readonly portCount: number;
  /** The text that came: only `true` asks for a GPU. */
  readonly gpu: string;
  readonly containerName: string;
  readonly baseImage: string;
  readonly publicKey: string;
  /** What is wrong with the public key, where one is read. */
  readonly keyError?: string;
}

/** Pairs that are not well-formed are left out, as net/url does; a plus is a space. */
export function readQuery(path: string): Query {
  const query = new Map<string, string>();
  const [, text] = splitOnce(path, "?");
  for (const pair of text.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const [name, value] = splitOnce(pair, "=").map(unescapeText);
    if (name !== undefined && value !== undefined && !query.has(name)) query.set(name, value);
  }
  return query;
}

export function readOrder(generation: Generation, query: Query): StartOrder {
  const read = (name: StartParameter, missing: string): string =>
    generation.reads.includes(name) ? (query.get(name) ?? missing) : missing;
  return {
    portCount: scanInteger(read("ports", "0")),
    gpu: read("GPU", "false"),
    containerName: read("ContainerName", ""),
    baseImage: read("BaseImage", ""),
    ...readKey(generation, read("PublicKey", "")),
  };
}

/** As Sscanf's %d: "abc" is 0, "3x" is 3. */
export const scanInteger = (text: string): number => Number(/^\s*([+-]?[0-9]+)/.exec(text)?.[1] ?? 0);

/**
 * Where Go's base64.StdEncoding stops reading; undefined = nowhere.
 *
 * Written by hand: Node's decoder takes anything, and the error's text has the position.
 */
export function base64ErrorAt(text: string): number | undefined {
  const bytes = Buffer.from(text);
  let inQuantum = 0;
  for (let position = 0; position < bytes.length; position++) {
    const character = String.fromCharCode(bytes[position] ?? 0);
    if (/[\r\n]/.test(character)) continue;
    if (/[A-Za-z0-9+/]/.test(character)) inQuantum = (inQuantum + 1) % 4;
    else if (character === "=" && inQuantum >= 2) return paddingErrorAt(bytes, position, inQuantum);
    else return position;
  }
  return inQuantum === 0 ? undefined : bytes.length - inQuantum;
}

function paddingErrorAt(bytes: Buffer, position: number, inQuantum: number): number | undefined {
  let next = skipLineEnds(bytes, position + 1);
  if (inQuantum === 2) {
    if (next === bytes.length) return next;
    if (bytes[next] !== padding) return next - 1;
    next = skipLineEnds(bytes, next + 1);
  }
  return next < bytes.length ? next : undefined;
}

const padding = "=".charCodeAt(0);

function skipLineEnds(bytes: Buffer, from: number): number {
  let position = from;
  while (bytes[position] === 10 || bytes[position] === 13) position++;
  return position;
}

function readKey(generation: Generation, text: string): Pick<StartOrder, "publicKey" | "keyError"> {
  if (!generation.reads.includes("PublicKey")) return { publicKey: "" };
  if (text === "") return { publicKey: "", keyError: "Publickey not passed" };
  const wrongAt = base64ErrorAt(text);
  if (wrongAt !== undefined)
    return { publicKey: "", keyError: `illegal base64 data at input byte ${wrongAt}` };
  return { publicKey: Buffer.from(text, "base64").toString("utf8") };
}

/** @returns undefined for an escape that is none */
function unescapeText(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const bytes = Buffer.from(text.replaceAll("+", " "), "utf8").toString("latin1");
  const decoded = bytes.replace(/%(..)/g, (_escape, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(decoded, "latin1").toString("utf8");
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const position = text.indexOf(separator);
  return position === -1 ? [text, ""] : [text.slice(0, position), text.slice(position + 1)];
}

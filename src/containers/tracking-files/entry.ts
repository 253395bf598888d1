/** One entry of a tracking file: `{ID, Container, IpAddress}`. Source: shared protocol notes, "trackcontainers.json", trap 12. */
import { createHash } from "node:crypto";
import { addressKey, defaultServerPort, parseTypedAddress } from "../../peer-api/address.js";
import type { PeerAddress } from "../../peer-api/contract.js";
import type { JsonValue, RecordValue } from "../../store/contract.js";
import { isObject } from "../../store/mirror/absorb.js";
import type { TrackedEntry } from "./contract.js";

/** An entry as it stands in a file. Without `entry` it names no container: kept, never used. */
export interface FileEntry {
  /** The whole of it, with fields that we do not know. */
  readonly value: JsonValue;
  readonly entry?: TrackedEntry;
}

/** Reads one entry. */
export function readEntry(value: JsonValue): FileEntry {
  if (!isObject(value)) return { value };
  const ipAddressText = fieldOf(value, "IpAddress");
  const container = fieldOf(value, "Container");
  const raw = isObject(container) ? container : {};
  const address = typeof ipAddressText === "string" ? readAddress(ipAddressText) : undefined;
  const id = textOf(fieldOf(value, "ID")) || textOf(fieldOf(raw, "ID"));
  if (address === undefined || typeof ipAddressText !== "string") return { value };
  return { value, entry: { key: keyOf(address, id, raw), address, id, raw, ipAddressText } };
}

/** Spells an entry: a new one as the original does, a standing one with what changed in it. */
export function toFileValue(entry: TrackedEntry, standing: JsonValue | undefined): JsonValue {
  if (standing === undefined || !isObject(standing)) {
    return { ID: entry.id, Container: entry.raw, IpAddress: entry.ipAddressText };
  }
  const keys = { container: keyIn(standing, "Container"), address: keyIn(standing, "IpAddress") };
  const isEmptyAsRead = Object.keys(entry.raw).length === 0 && !isObject(fieldOf(standing, "Container"));
  const fields = Object.entries(standing).map(([key, value]): [string, JsonValue] => {
    if (key === keys.container && !isEmptyAsRead) return [key, entry.raw];
    return key === keys.address ? [key, entry.ipAddressText] : [key, value];
  });
  if (keys.container === undefined && !isEmptyAsRead) fields.push(["Container", entry.raw]);
  // fromEntries defines keys; an assignment would let "__proto__" reach the prototype.
  return Object.fromEntries(fields);
}

/** A bare IP is a node on the default port: so the client of that time found it. */
function readAddress(text: string): PeerAddress | undefined {
  const typed = parseTypedAddress(text.trim());
  return typed === undefined ? undefined : { host: typed.host, port: typed.port ?? defaultServerPort };
}

/** Entries without an id are told apart by what they hold. */
function keyOf(address: PeerAddress, id: string, raw: RecordValue): string {
  return `${addressKey(address)}/${id === "" ? `~${digestOf(JSON.stringify(raw)).slice(0, 16)}` : id}`;
}

/** Go reads keys in any case, the exact one first. */
function keyIn(object: RecordValue, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name;
  return Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase());
}

export function fieldOf(object: RecordValue, name: string): JsonValue | undefined {
  const key = keyIn(object, name);
  return key === undefined ? undefined : object[key];
}

export const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");

export const digestOf = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 32);

/** Fingerprints, remembered by entry: a write of a hundred thousand must not hash them all again. */
export class Fingerprints {
  readonly #known = new WeakMap<RecordValue, { readonly text: string; readonly fingerprint: string }>();

  /** Of what an entry says, not of how the file spells the fields around it. */
  of({ raw, ipAddressText }: TrackedEntry): string {
    const remembered = this.#known.get(raw);
    if (remembered?.text === ipAddressText) return remembered.fingerprint;
    const fingerprint = digestOf(JSON.stringify([ipAddressText, raw]));
    this.#known.set(raw, { text: ipAddressText, fingerprint });
    return fingerprint;
  }
}

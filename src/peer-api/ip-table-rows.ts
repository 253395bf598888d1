/**
 * The rows of an IP table in every dialect since 2021: folded keys, strings for booleans, ports as text, null lists.
 * Source: shared protocol notes, "Table" and traps 1-5, 11.
 */
import { canonicalDnsName, canonicalIp, defaultServerPort, parsePort } from "./address.js";
import type { PeerAddress, PeerRow, RowRejection } from "./contract.js";
import { type FieldReader, fieldsOf, isJsonObject, type JsonObject } from "./json-body.js";
import { cleanText, maxNameLength, maxPublicKeyLength } from "./text.js";

/** The list's key in a table. */
export const rowsKey = "ip_address";

type Decode<T> = (value: unknown, read: FieldReader, object: JsonObject) => T;

const text: Decode<string> = (value) => cleanText(value);
const name: Decode<string> = (value) => cleanText(value, maxNameLength);
const key: Decode<string> = (value) => cleanText(value, maxPublicKeyLength);
const ip: Decode<string> = (value) => (typeof value === "string" ? (canonicalIp(value) ?? "") : "");
const flag: Decode<boolean> = (value) =>
  value === true || (typeof value === "string" && value.toLowerCase() === "true");
const optionalPort: Decode<number> = (value) => parsePort(portText(value)) ?? 0;
const measured: Decode<number> = (value) =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;

/**
 * The least latency taken for a measurement, in nanoseconds: light goes 300 m in it, and no reply over HTTP comes so fast,
 * on loopback neither. The first files of 2021 carry floats such as 3 that mean nothing, and would sort before every node.
 */
const minLatencyNs = 1_000;

const nanoseconds: Decode<number> = (value) => {
  const read = Math.round(measured(value, noField, {}));
  return read < minLatencyNs ? 0 : Math.min(read, 3.6e12);
};

/** One row per key of today's 16, in the order nodes write them. The address has rules of its own. */
const columns = [
  ["Name", "machineName", name],
  ["MachineUsername", "machineUsername", name],
  ["IPV4", "ipv4", ip],
  ["IPV6", "ipv6", ip],
  ["Latency", "latencyNs", nanoseconds],
  ["Download", "downloadMbps", measured],
  ["Upload", "uploadMbps", measured],
  ["ServerPort", "address", undefined],
  ["UDPServerPort", "udpServerPort", optionalPort],
  ["BareMetalSSHPort", "bareMetalSshPort", optionalPort],
  ["NAT", "nat", flag],
  ["EscapeImplementation", "escapeImplementation", text],
  ["ProxyServer", "proxyServer", flag],
  ["UnSafeMode", "unsafeMode", flag],
  ["PublicKey", "publicKey", key],
  ["CustomInformation", "customInformation", customInformation],
] as const satisfies readonly (readonly [string, keyof PeerRow, Decode<unknown> | undefined])[];

/** Keys that this table knows, in lower case. */
export const knownKeys: ReadonlySet<string> = new Set(columns.map(([wireKey]) => wireKey.toLowerCase()));

export interface ReadRowOptions {
  /** Whether a DNS name may stand where an address does: an operator typed our own table. @default false */
  readonly allowNames?: boolean;
}

/** Reads one row of a table. @returns the row in a fresh object, or why it is none */
export function readRow(value: unknown, options: ReadRowOptions = {}): PeerRow | RowRejection {
  if (!isJsonObject(value)) return "NOT_A_ROW";
  const read = fieldsOf(value);
  const address = readAddress(read, options.allowNames ?? false);
  if (typeof address === "string") return address;
  const row: Record<string, unknown> = { address };
  for (const [wireKey, field, decode] of columns) {
    if (decode !== undefined) row[field] = decode(read(wireKey), read, value);
  }
  return row as unknown as PeerRow;
}

/** Spells a row as today's nodes do: 16 keys, in their order. */
export function toWireRow(row: PeerRow): Record<string, unknown> {
  const wire: Record<string, unknown> = {};
  for (const [wireKey, field] of columns) {
    wire[wireKey] = wireValue(field, row);
  }
  // A name an operator typed has no place of its own in the format: nodes read any text from IPV4.
  if (row.ipv4 === "" && row.address.host !== row.ipv6) wire["IPV4"] = row.address.host;
  return wire;
}

/** Makes the least row of a node of which only the address is known. */
export function bareRow(address: PeerAddress): PeerRow {
  const version = address.host.includes(":") ? 6 : canonicalIp(address.host) === undefined ? 0 : 4;
  return {
    address,
    machineName: "",
    machineUsername: "",
    ipv4: version === 4 ? address.host : "",
    ipv6: version === 6 ? address.host : "",
    udpServerPort: 0,
    bareMetalSshPort: 0,
    nat: false,
    escapeImplementation: "",
    proxyServer: false,
    unsafeMode: false,
    publicKey: "",
    customInformation: "",
    latencyNs: 0,
    downloadMbps: 0,
    uploadMbps: 0,
  };
}

const textFields: readonly string[] = [
  "machineName",
  "machineUsername",
  "escapeImplementation",
  "publicKey",
  "customInformation",
] satisfies (keyof PeerRow)[];

/** Texts of a row, as they stand in a file, that only differ from ours by what was cleaned out of them. */
export function spelledTexts(row: PeerRow, standing: JsonObject): Record<string, string> {
  const wire = toWireRow(row);
  const read = fieldsOf(standing);
  const texts: Record<string, string> = {};
  for (const [wireKey, field, decode] of columns) {
    if (decode === undefined || !textFields.includes(field)) continue;
    const spelled = read(wireKey);
    // Judged as text of today's row: base64 of 2023 would be read as plain text in it.
    const isSame = decode(spelled, fieldsOf(wire), wire) === row[field];
    if (typeof spelled === "string" && isSame) texts[wireKey] = spelled;
  }
  return texts;
}

function wireValue(field: (typeof columns)[number][1], row: PeerRow): unknown {
  if (field === "address") return String(row.address.port);
  const isPort = field === "udpServerPort" || field === "bareMetalSshPort";
  if (!isPort) return row[field];
  return row[field] === 0 ? "" : String(row[field]);
}

function readAddress(read: FieldReader, allowNames: boolean): PeerAddress | RowRejection {
  const rawPort = portText(read("ServerPort"));
  const port = rawPort === "" ? defaultServerPort : parsePort(rawPort);
  if (port === undefined) return "INVALID_PORT";
  const ipv4 = addressText(read("IPV4"));
  const host = readHost(ipv4 === "" ? addressText(read("IPV6")) : ipv4, allowNames);
  if (host === undefined) return "INVALID_ADDRESS";
  // Nodes in test mode list themselves so; it is no sign of hostility, and there is nobody to contact.
  return host === "0.0.0.0" || host === "::" ? "UNSPECIFIED_ADDRESS" : { host, port };
}

const readHost = (host: string, allowNames: boolean): string | undefined =>
  canonicalIp(host) ?? (allowNames ? canonicalDnsName(host) : undefined);

const addressText = (value: unknown): string => (typeof value === "string" ? value : "");

function portText(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : "not a port";
}

/**
 * Plain text, save for six months of 2023 when it was base64. The two cannot be told apart safely: decoded only in rows
 * that can be of those months (Go's key names, no BareMetalSSHPort) and only if the text is base64 of text.
 */
function customInformation(value: unknown, read: FieldReader, object: JsonObject): string {
  const plain = cleanText(value);
  const isOfThoseMonths = Object.hasOwn(object, "IPV4") && read("BareMetalSSHPort") === undefined;
  if (!isOfThoseMonths || typeof value !== "string" || value === "") return plain;
  const decoded = Buffer.from(value, "base64");
  const isBase64OfText =
    decoded.toString("base64") === value && Buffer.from(decoded.toString()).equals(decoded);
  return isBase64OfText ? cleanText(decoded.toString()) : plain;
}

const noField: FieldReader = () => undefined;

/**
 * A node's description of a container in every dialect since 2021: the answer of /startcontainer, and what the tracking
 * files hold. Source: shared protocol notes, "DockerVM" and traps 1, 3-5.
 */
import { parsePort } from "./address.js";
import type { ContainerPort, NodeContainer } from "./contract.js";
import { type FieldReader, fieldsOf, isJsonObject, type JsonObject } from "./json-body.js";
import { maxContainerPorts, maxJsonDepth } from "./limits.js";
import { cleanText, maxDescriptionLength, maxNameLength, maxPublicKeyLength } from "./text.js";

const containerId = /^[A-Za-z0-9][A-Za-z0-9_.-]{2,127}$/;

/**
 * Whether a text may be sent to a node as the id of a container: nodes put it into a shell command as it is, and the
 * original client crashes on ids of fewer than three characters.
 */
export const isContainerId = (text: string): boolean => containerId.test(text);

type Decode<T> = (value: unknown, read: FieldReader) => T;

const text: Decode<string> = (value) => cleanText(value);
const name: Decode<string> = (value) => cleanText(value, maxNameLength);
/** Two ids that differ in what was cleaned out of them are two ids: a text that would change is none. */
const id: Decode<string> = (value) => (name(value, noField) === value ? value : "");
/** Nodes echo the text they were sent, and only "true" turns it on. */
const flag: Decode<boolean> = (value) => value === true || value === "true";
const port: Decode<number> = (value) =>
  typeof value === "number" || typeof value === "string" ? (parsePort(String(value)) ?? 0) : 0;

/** One row per field of ours: the key that nodes write, and how it is read. */
const columns = {
  id: ["ID", id],
  sshUsername: ["SSHUsername", name],
  sshPassword: ["SSHPassword", text],
  sshPublicKey: ["SSHPublicKey", keyLines],
  // Until 2021-07 a number of its own; since then a port with a name.
  sshPort: ["SSHPort", (value, read) => port(value, read) || externalPort("SSH", read)],
  vncPort: ["VNCPort", (value, read) => port(value, read) || externalPort("VNC", read)],
  vncPassword: ["VNCPassword", text],
  image: ["TagName", text],
  baseImage: ["BaseImage", text],
  gpu: ["GPU", flag],
  ports: ["Ports", (_, read) => portsOf(read)],
} as const satisfies {
  readonly [Field in Exclude<keyof NodeContainer, "raw">]: readonly [string, Decode<NodeContainer[Field]>];
};

/**
 * Reads a container's description. A field of the wrong type counts as not told, as Go decodes it.
 *
 * @returns undefined if the value is no JSON object, or is too deep to be written again safely. An empty description,
 * as the original client keeps of a start that failed, is one: its `id` is empty.
 */
export function parseDockerVm(value: unknown): NodeContainer | undefined {
  if (!isJsonObject(value) || !isShallow(value, maxJsonDepth)) return undefined;
  const read = fieldsOf(value);
  const container: Record<string, unknown> = { raw: value satisfies JsonObject };
  for (const [field, [wireKey, decode]] of Object.entries(columns)) {
    container[field] = decode(read(wireKey), read);
  }
  return container as unknown as NodeContainer;
}

function portsOf(read: FieldReader): ContainerPort[] {
  const ports = read("Ports");
  const named = listOf(isJsonObject(ports) ? fieldsOf(ports)("Port") : undefined).map(namedPort);
  const bare = listOf(read("OpenPorts")).map(barePort);
  return [...named, ...bare].filter((entry) => entry !== undefined).slice(0, maxContainerPorts);
}

function namedPort(value: unknown): ContainerPort | undefined {
  if (!isJsonObject(value)) return undefined;
  const read = fieldsOf(value);
  const external = port(read("ExternalPort"), read);
  if (external === 0) return undefined;
  return {
    name: name(read("PortName"), read),
    internalPort: port(read("InternalPort"), read),
    externalPort: external,
    protocol: name(read("Type"), read),
    isUsed: flag(read("IsUsed"), read),
    description: cleanText(read("Description"), maxDescriptionLength),
  };
}

/** Until 2021-07 ports were numbers, the same inside and outside. */
function barePort(value: unknown): ContainerPort | undefined {
  const number = port(value, noField);
  if (number === 0) return undefined;
  return {
    name: "",
    internalPort: number,
    externalPort: number,
    protocol: "",
    isUsed: false,
    description: "",
  };
}

/**
 * Writes on a description whether something runs on ports of it; every other field stays as its node wrote it.
 * Descriptions of 2021-07 and before have no place for it in a list of bare numbers, and stay.
 */
export function withPortsMarked(
  value: unknown,
  isMeant: (port: ContainerPort) => boolean,
  isUsed: boolean,
): unknown {
  if (!isJsonObject(value)) return value;
  const mark = (entry: unknown): unknown => {
    const read = namedPort(entry);
    if (read === undefined || !isMeant(read) || !isJsonObject(entry)) return entry;
    return withField(entry, "IsUsed", isUsed);
  };
  const ports = fieldsOf(value)("Ports");
  if (!isJsonObject(ports)) return value;
  const list = fieldsOf(ports)("Port");
  if (!Array.isArray(list)) return value;
  return withField(value, "Ports", withField(ports, "Port", list.map(mark)));
}

/** Sets a field under the key it has, whatever its case. */
function withField(object: JsonObject, name: string, value: unknown): JsonObject {
  const keys = Object.keys(object);
  const key = Object.hasOwn(object, name)
    ? name
    : (keys.find((candidate) => candidate.toLowerCase() === name.toLowerCase()) ?? name);
  // Entries, not a spread: a stranger's `__proto__` stays a key.
  const others = Object.entries(object);
  return Object.fromEntries(
    keys.includes(key)
      ? others.map(([other, old]) => [other, other === key ? value : old])
      : [...others, [key, value]],
  );
}

const externalPort = (portName: string, read: FieldReader): number =>
  portsOf(read).find((entry) => entry.name === portName)?.externalPort ?? 0;

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value.slice(0, maxContainerPorts) : [];

/** The only text with lines of its own: one key each. */
function keyLines(value: unknown): string {
  if (typeof value !== "string") return "";
  return value
    .slice(0, maxPublicKeyLength)
    .split("\n")
    .map((line) => cleanText(line, maxPublicKeyLength))
    .filter((line) => line !== "")
    .join("\n");
}

/** Whether nothing in a value lies deeper: what JSON.parse takes can be too deep for JSON.stringify. */
function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

const noField: FieldReader = () => undefined;

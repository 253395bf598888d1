/**
 * How each version of P2PRC spells an IP table.
 *
 * Keys, their order and their types are those of the Go structs at the day in the name. Source: shared protocol notes,
 * "Structs: Table"; samples `ip-table.DATE.json`.
 */

import { ipv6Host, type Seat } from "./addresses.js";
import type { GenerationName } from "./docker-vm.js";
import { goJson } from "./go-json.js";

/** What a node knows of a peer, before a dialect spells it. */
export interface PeerRecord {
  readonly name: string;
  readonly machineUsername: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** 0 = not measured, as in a node's row about itself. */
  readonly latencyNs: number;
  readonly downloadMbps: number;
  readonly uploadMbps: number;
  readonly serverPort: number;
  readonly bareMetalSshPort: string;
  readonly nat: boolean;
  readonly escapeImplementation: "" | "None" | "FRP";
  readonly isProxy: boolean;
  readonly isUnsafe: boolean;
  readonly publicKey: string;
  readonly customInformation: string;
}

type Column = readonly [key: string, valueOf: (peer: PeerRecord) => unknown];

const boolText = (value: boolean): string => (value ? "True" : "False");

const lower = {
  ipv4: ["ipv4", (peer) => peer.ipv4],
  ipv6: ["ipv6", (peer) => peer.ipv6],
  // The first day's latency was a float32 without a unit; half milliseconds look like the sample.
  latencyFloat: ["latency", (peer) => Math.round(peer.latencyNs / 500_000) / 2],
  latency: ["latency", (peer) => peer.latencyNs],
  download: ["download", (peer) => peer.downloadMbps],
  upload: ["upload", (peer) => peer.uploadMbps],
  serverPort: ["serverport", (peer) => String(peer.serverPort)],
  proxyPort: ["proxyport", (peer) => (peer.nat ? "7000" : "")],
} as const satisfies Record<string, Column>;

const go = {
  name: ["Name", (peer) => peer.name],
  machineUsername: ["MachineUsername", (peer) => peer.machineUsername],
  ipv4: ["IPV4", (peer) => peer.ipv4],
  ipv6: ["IPV6", (peer) => peer.ipv6],
  latency: ["Latency", (peer) => peer.latencyNs],
  download: ["Download", (peer) => peer.downloadMbps],
  upload: ["Upload", (peer) => peer.uploadMbps],
  serverPort: ["ServerPort", (peer) => String(peer.serverPort)],
  udpServerPort: ["UDPServerPort", () => ""],
  bareMetalSshPort: ["BareMetalSSHPort", (peer) => peer.bareMetalSshPort],
  natText: ["NAT", (peer) => boolText(peer.nat)],
  nat: ["NAT", (peer) => peer.nat],
  escape: ["EscapeImplementation", (peer) => peer.escapeImplementation],
  proxyText: ["ProxyServer", (peer) => boolText(peer.isProxy)],
  proxy: ["ProxyServer", (peer) => peer.isProxy],
  unsafeMode: ["UnSafeMode", (peer) => peer.isUnsafe],
  publicKey: ["PublicKey", (peer) => peer.publicKey],
  customBytes: ["CustomInformation", (peer) => base64OrNull(peer.customInformation)],
  customText: ["CustomInformation", (peer) => peer.customInformation],
} as const satisfies Record<string, Column>;

const measures2021 = [lower.latency, lower.download, lower.upload] as const;
const address2023 = [go.ipv4, go.ipv6, go.latency, go.download, go.upload, go.serverPort] as const;
const owner2024 = [go.name, go.machineUsername] as const;
const trust2024 = [go.unsafeMode, go.publicKey, go.customText] as const;
const columns2026 = [
  ...owner2024,
  ...address2023,
  go.udpServerPort,
  go.bareMetalSshPort,
  go.nat,
  go.escape,
  go.proxy,
  ...trust2024,
] as const;

export type MapParameter = "port" | "domain_name" | "udp";

export interface Dialect {
  readonly columns: readonly Column[];
  /** Which keys /server_info has: the GPU is one of them from 2021-04-02 on. @default true */
  readonly tellsGpu?: boolean;
  /** From 2021-06-25 on a node's own row is in its table. @default true */
  readonly listsItself?: boolean;
  /** In Test mode (2025-05-30 on) a node takes 0.0.0.0 for its own address. @default false */
  readonly isTestMode?: boolean;
  /** /ShowImages is there from 2021-06-09 on. @default true */
  readonly showsImages?: boolean;
  /** GET /50 is there from 2021-03-21 on, a day after GET /upload. @default true */
  readonly offersDownload?: boolean;
  /** How it spells a container; null before there were any. @default "2023-12" */
  readonly containers?: GenerationName | null;
  /** What /MAPPort reads, which is there from 2023-12-22 on. @default no such route */
  readonly mapReads?: readonly MapParameter[];
  /** For three days of April 2021 a table was read with GET. We answer both: a crawl needs POST. @default false */
  readonly readsTableWithGet?: boolean;
  /** No P2PRC server has /server_specs; a foreign one, written from the documentation, has only that. @default false */
  readonly isForeign?: boolean;
}

/** Named by the day they begin. `foreign` is nobody's version: a server written from the documentation alone. */
export const dialects = {
  "2021-03-20": {
    columns: [lower.ipv4, lower.latencyFloat, lower.download, lower.upload],
    tellsGpu: false,
    listsItself: false,
    showsImages: false,
    offersDownload: false,
    readsTableWithGet: true,
    containers: null,
  },
  "2021-03-21": {
    columns: [lower.ipv4, ...measures2021],
    listsItself: false,
    showsImages: false,
    containers: null,
  },
  "2021-06": { columns: [lower.ipv4, lower.ipv6, ...measures2021], containers: "2021-05" },
  "2021-07": {
    columns: [lower.ipv4, lower.ipv6, ...measures2021, lower.serverPort],
    containers: "2021-07",
  },
  "2022-12": {
    columns: [lower.ipv4, lower.ipv6, ...measures2021, lower.serverPort, lower.proxyPort],
    containers: "2021-10",
  },
  "2023-01-17": {
    columns: [go.name, lower.ipv4, lower.ipv6, ...measures2021, lower.serverPort, lower.proxyPort],
    containers: "2021-10",
  },
  "2023-01-24": { columns: [go.name, ...address2023, go.natText, go.escape], containers: "2021-10" },
  "2023-03": {
    columns: [go.name, ...address2023, go.natText, go.escape, go.customBytes],
    containers: "2021-10",
  },
  "2023-09": {
    columns: [go.name, ...address2023, go.natText, go.escape, go.customText],
    containers: "2023-08",
  },
  "2023-12": {
    columns: [go.name, ...address2023, go.bareMetalSshPort, go.natText, go.escape, go.customText],
    mapReads: ["port"],
  },
  "2024-08": {
    columns: [
      go.name,
      ...address2023,
      go.bareMetalSshPort,
      go.natText,
      go.escape,
      go.proxyText,
      go.customText,
    ],
    mapReads: ["port", "domain_name"],
  },
  "2024-11": {
    columns: [
      ...owner2024,
      ...address2023,
      go.bareMetalSshPort,
      go.natText,
      go.escape,
      go.proxyText,
      ...trust2024,
    ],
    mapReads: ["port", "domain_name"],
  },
  "2025-04": {
    columns: [...owner2024, ...address2023, go.bareMetalSshPort, go.nat, go.escape, go.proxy, ...trust2024],
    mapReads: ["port", "domain_name"],
  },
  "2026-01": { columns: columns2026, isTestMode: true, mapReads: ["port", "domain_name", "udp"] },
  foreign: { columns: columns2026, isForeign: true },
} as const satisfies Record<string, Dialect>;

export type DialectName = keyof typeof dialects;

export const dialectNames = Object.keys(dialects) as readonly DialectName[];

/** The only port of the versions whose rows have no port. Source: shared protocol notes, "Server routes", 2021-07-22. */
export const portBefore2021July = 8088;

const hasColumn = (name: DialectName, ...columns: readonly Column[]): boolean =>
  dialects[name].columns.some((column) => columns.includes(column));

/** Whether rows say on which port a node listens. */
export const tellsPort = (name: DialectName): boolean => hasColumn(name, lower.serverPort, go.serverPort);

/** Whether rows can name an IPv6 node. */
export const tellsIpv6 = (name: DialectName): boolean => hasColumn(name, lower.ipv6, go.ipv6);

/** Whether rows lead to a node that listens there. */
export const tellsSeat = (name: DialectName, { host, portOffset }: Seat): boolean =>
  (host !== ipv6Host || tellsIpv6(name)) && (portOffset === 0 || tellsPort(name));

/** Spells a whole table. A table without rows is null, never an empty list. */
export function encodeTable(dialect: Dialect, peers: readonly PeerRecord[]): string {
  const rows = peers.map((peer) =>
    Object.fromEntries(dialect.columns.map(([key, valueOf]) => [key, valueOf(peer)])),
  );
  return goJson({ ip_address: rows.length === 0 ? null : rows });
}

/** Go writes a byte slice as base64 and an absent one as null. */
function base64OrNull(text: string): string | null {
  return text === "" ? null : Buffer.from(text).toString("base64");
}

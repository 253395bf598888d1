/** The ways a node can fail. One table: the fault's name and what becomes of a request. */

import { type Answer, onlyIn, replyWith, type Scene, type Spoil, spoilBody } from "./answers.js";
import { type ContainerFaultName, containerFaults } from "./container-faults.js";
import { type MapFaultName, portMapFaults } from "./port-map-faults.js";
import {
  fileReply,
  jsonType,
  missingFile,
  panicked,
  speedFileBytes,
  speedFileType,
  textReply,
  textType,
} from "./replies.js";

const mebibyte = 2 ** 20;

/** Bodies that never end begin as valid JSON of the right shape: a reader cannot give up early. */
const endlessBody = (scene: Scene): { opening: string; filling: string } =>
  scene.purpose === "exchange"
    ? { opening: '{"ip_address":[null', filling: ',{"IPV4":"10.66.255.7","ServerPort":"8088"}' }
    : { opening: '{"Hostname":"', filling: "a" };

/** Faults of answers. Each strikes every request; `NAME-exchange` strikes POST /IpTable only, behind a healthy probe. */
export const answerFaults = {
  /** Drops the connection with a TCP reset; without `-exchange` as soon as it is accepted, before a byte is read. */
  reset: () => ({ kind: "reset" }),
  /** Reads the request and never answers. */
  hang: () => ({ kind: "silence" }),
  /** One byte every 100 ms, for ever: each read succeeds, the answer never ends. */
  drip: (scene) => ({ kind: "drip", ...endlessBody(scene) }),
  /** An endless body, as fast as the caller reads. */
  endless: (scene) => ({ kind: "flood", ...endlessBody(scene) }),
  /** Random bytes that claim to be JSON. */
  garbage: (scene) => spoilBody(scene.bodies.noise),
  /** A web page with status 200. */
  html: (scene) => spoilBody(scene.bodies.html, "text/html; charset=utf-8"),
  /** The first half of the right body, complete by HTTP's account. */
  truncated: ({ healthy }) => {
    if (healthy.kind === "download") return { ...healthy, sizeBytes: healthy.sizeBytes / 2 };
    const { body } = healthy.reply;
    return replyWith({ ...healthy.reply, body: body.subarray(0, body.length / 2) });
  },
  /** An error as text with status 200, as real nodes give it on /IpTable. */
  "error-text": (scene) => spoilBody(scene.bodies.errorText, textType),
  /** Lists nested 100,000 deep. */
  deep: (scene) => spoilBody(scene.bodies.deep),
  /** A few hundred kB with Content-Encoding gzip that inflate to 256 MiB, asked for or not. */
  gzip: (scene) =>
    replyWith({
      status: 200,
      contentType: jsonType,
      headers: { "Content-Encoding": "gzip" },
      body: scene.bodies.gzipBomb,
    }),
  /** 302 to the same path on another node. */
  redirect: (scene) =>
    replyWith({
      status: 302,
      contentType: "text/html; charset=utf-8",
      headers: { Location: `http://${scene.otherNode}${scene.path}` },
      body: Buffer.from(`<a href="http://${scene.otherNode}${scene.path}">Found</a>.\n\n`),
    }),
  /** 500 without a body: what gin leaves of a handler that panics. */
  status500: () => replyWith(panicked),
  /** The right answer, but late. */
  slow: (scene) => ({ ...scene.healthy, lateByMs: scene.slowDelayMs }),
} as const satisfies Record<string, Spoil>;

type AnswerFaultName = keyof typeof answerFaults;

/** Faults of the speed test: probe and exchange are healthy. */
export const bandwidthFaults = {
  /** Reads the request for the file and never answers. */
  "hang-download": onlyIn("download", () => ({ kind: "silence" })),
  /** The file at one byte per second. */
  "drip-download": onlyIn("download", () => ({
    kind: "drip",
    opening: "",
    filling: "\0",
    intervalMs: 1_000,
    contentType: speedFileType,
    statedBytes: speedFileBytes,
  })),
  /** A file of one byte: who takes it for the whole one believes in a line of terabits. */
  "short-download": onlyIn("download", () => replyWith(fileReply(Buffer.alloc(1)))),
  /** 404, as from a node whose owner never put the file there. */
  "missing-download": onlyIn("download", () => replyWith(missingFile)),
  /** The first mebibyte of the file, then a TCP reset. */
  "reset-download": onlyIn("download", () => ({
    kind: "download",
    sizeBytes: speedFileBytes,
    resetAfterBytes: mebibyte,
  })),
  /** Reads the upload to its end and never answers. */
  "hang-upload": onlyIn("upload", () => ({ kind: "silence" })),
  /** Reads the first 64 KiB of the body, then nothing more, and never answers: the caller's writes get stuck. */
  "stall-upload": onlyIn("upload", () => ({ kind: "silence" })),
  /** Reads the first mebibyte of the body, then drops the connection with a TCP reset. */
  "reset-upload": onlyIn("upload", () => ({ kind: "reset" })),
  /** Reads the upload to its end and answers 500 without a body. */
  "status500-upload": onlyIn("upload", () => replyWith(panicked)),
  /** Says that all is uploaded before it has read any of the body, and reads none of it. */
  "early-answer-upload": onlyIn("upload", () => replyWith(textReply(200, "'50' uploaded!"))),
} as const satisfies Record<string, Spoil>;

/** How much of an upload's body a node reads before it does what its fault says; all others read it to the end. */
const uploadBytesRead: Partial<Record<FaultName, number>> = {
  "stall-upload": 64 * 1024,
  "reset-upload": mebibyte,
  "early-answer-upload": 0,
};

/** Where a node with this fault stops reading an upload's body; Infinity = nowhere. */
export const uploadBytesReadWith = (fault: FaultName | undefined): number =>
  (fault === undefined ? undefined : uploadBytesRead[fault]) ?? Infinity;

/** A healthy probe, and a table that must not be believed (`false-tables.ts`). */
const giveFalseTable = onlyIn("exchange", (scene) => spoilBody(scene.falseTable));

/** Faults whose table is poison: each strikes POST /IpTable only. */
export const tableFaults = {
  /** Forbidden addresses, absurd rows and slander of a coarse kind (`lies.ts`). */
  lie: giveFalseTable,
  /** As many rows of distinct private addresses as fit in just under 4 MiB. */
  "many-rows": giveFalseTable,
  /** 1,000,000 rows in 3 MB: each is an empty object. */
  "million-rows": giveFalseTable,
  /** 4,096 well-formed rows about hosts of the option `victimNet`, which never asked to be called. */
  victims: giveFalseTable,
  /** Well-formed rows about healthy nodes, with wrong names, keys, measurements and addresses. */
  slander: giveFalseTable,
} as const satisfies Record<string, Spoil>;

export type TableFaultName = keyof typeof tableFaults;

/** Faults that are more or less than a spoiled answer. */
const otherFaults = {
  /** Nothing listens at the address: connection refused. */
  refuse: (scene) => scene.healthy,
} as const satisfies Record<string, Spoil>;

export type FaultName =
  | keyof typeof otherFaults
  | TableFaultName
  | AnswerFaultName
  | `${AnswerFaultName}-exchange`
  | keyof typeof bandwidthFaults
  | ContainerFaultName
  | MapFaultName;

/** How many nodes have which fault. */
export type FaultPlan = Readonly<Partial<Record<FaultName, number>>>;

const spoils = Object.fromEntries([
  ...Object.entries(otherFaults),
  ...Object.entries(tableFaults),
  ...Object.entries(answerFaults),
  ...Object.entries(answerFaults).map(([name, spoil]) => [`${name}-exchange`, onlyIn("exchange", spoil)]),
  ...Object.entries(bandwidthFaults),
  ...Object.entries(containerFaults),
  ...Object.entries(portMapFaults),
]) as Record<FaultName, Spoil>;

export const faultNames = Object.keys(spoils) as readonly FaultName[];

/** One node of every fault. */
export const everyFault: FaultPlan = Object.fromEntries(faultNames.map((name) => [name, 1]));

export const hasFalseTable = (fault: FaultName | undefined): fault is TableFaultName =>
  fault !== undefined && Object.hasOwn(tableFaults, fault);

/** What a node with this fault, or without one, answers. */
export function answerOf(fault: FaultName | undefined, scene: Scene): Answer {
  if (fault === undefined) return scene.healthy;
  const spoil = spoils[fault];
  return spoil(scene);
}

/** The ways a node can fail. One table: the fault's name and what becomes of a request. */

import type { BadBodies } from "./bad-bodies.js";
import { jsonType, panicked, textType, type Reply } from "./replies.js";

/** What a node does with a request it has read. */
export type Answer =
  | { readonly kind: "reply"; readonly reply: Reply; readonly lateByMs?: number }
  /** Says nothing; the connection stays open. */
  | { readonly kind: "silence" }
  /** Drops the connection with a TCP reset. */
  | { readonly kind: "reset" }
  /** Headers, the text, then one byte of filling every 100 ms, for ever. */
  | { readonly kind: "drip"; readonly opening: string; readonly filling: string }
  /** Headers, the text, then filling as fast as the caller takes it, for ever. */
  | { readonly kind: "flood"; readonly opening: string; readonly filling: string };

/** What a fault may use: the request, and the answer a healthy node would give. */
export interface Scene {
  readonly healthy: Reply;
  readonly isExchange: boolean;
  /** With the query. */
  readonly path: string;
  readonly bodies: BadBodies;
  readonly slowDelayMs: number;
  /** Another node, `HOST:PORT`. */
  readonly otherNode: string;
  /** Body of the lying table. */
  readonly lies: Buffer;
}

type Spoil = (scene: Scene) => Answer;

const replyWith = (reply: Reply): Answer => ({ kind: "reply", reply });
const spoilBody = (body: Buffer, contentType = jsonType): Answer =>
  replyWith({ status: 200, contentType, body });

/** Bodies that never end begin as valid JSON of the right shape: a reader cannot give up early. */
const endlessBody = (scene: Scene): { opening: string; filling: string } =>
  scene.isExchange
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
  truncated: (scene) =>
    replyWith({ ...scene.healthy, body: scene.healthy.body.subarray(0, scene.healthy.body.length / 2) }),
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
  slow: (scene) => ({ kind: "reply", reply: scene.healthy, lateByMs: scene.slowDelayMs }),
} as const satisfies Record<string, Spoil>;

type AnswerFaultName = keyof typeof answerFaults;

/** Faults that are more or less than a spoiled answer. */
export const otherFaults = {
  /** Nothing listens at the address: connection refused. */
  refuse: (scene) => replyWith(scene.healthy),
  /** A healthy probe, and a table of forbidden addresses, absurd rows and slander (`lies.ts`). */
  lie: (scene) => (scene.isExchange ? spoilBody(scene.lies) : replyWith(scene.healthy)),
} as const satisfies Record<string, Spoil>;

export type FaultName = keyof typeof otherFaults | AnswerFaultName | `${AnswerFaultName}-exchange`;

/** How many nodes have which fault. */
export type FaultPlan = Readonly<Partial<Record<FaultName, number>>>;

const answerFaultNames = Object.keys(answerFaults) as readonly AnswerFaultName[];

export const faultNames: readonly FaultName[] = [
  ...(Object.keys(otherFaults) as (keyof typeof otherFaults)[]),
  ...answerFaultNames,
  ...answerFaultNames.map((name) => `${name}-exchange` as const),
];

/** One node of every fault. */
export const everyFault: FaultPlan = Object.fromEntries(faultNames.map((name) => [name, 1]));

/** What a node with this fault, or without one, answers. */
export function answerOf(fault: FaultName | undefined, scene: Scene): Answer {
  if (fault === undefined) return replyWith(scene.healthy);
  const spoil = spoils[fault];
  return spoil(scene);
}

const onlyInExchange =
  (spoil: Spoil): Spoil =>
  (scene) =>
    scene.isExchange ? spoil(scene) : replyWith(scene.healthy);

const spoils = Object.fromEntries([
  ...Object.entries(otherFaults),
  ...Object.entries(answerFaults),
  ...Object.entries(answerFaults).map(([name, spoil]) => [`${name}-exchange`, onlyInExchange(spoil)]),
]) as Record<FaultName, Spoil>;

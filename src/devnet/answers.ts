/** What a node does with a request it has read, and what decides it. */

import type { BadBodies } from "./bad-bodies.js";
import { jsonType, type Reply } from "./replies.js";

/** The two answers that healthy nodes give. */
export type HealthyAnswer =
  | { readonly kind: "reply"; readonly reply: Reply; readonly lateByMs?: number }
  | Download;

/** The speed test's file, as fast as the node's line and the caller allow. */
export interface Download {
  readonly kind: "download";
  readonly sizeBytes: number;
  /** Drops the connection with a TCP reset after so many bytes. @default never */
  readonly resetAfterBytes?: number;
  readonly lateByMs?: number;
}

export type Answer =
  | HealthyAnswer
  /** Says nothing; the connection stays open. */
  | { readonly kind: "silence" }
  /** Drops the connection with a TCP reset. */
  | { readonly kind: "reset" }
  | Cut
  | Drip
  /** Headers, the text, then filling as fast as the caller takes it, for ever. */
  | {
      readonly kind: "flood";
      readonly opening: string;
      readonly filling: string;
      /** @default JSON */
      readonly contentType?: string;
    };

/** Headers, the text, then one byte of filling at a time, for ever. */
export interface Drip {
  readonly kind: "drip";
  readonly opening: string;
  readonly filling: string;
  /** @default 100 */
  readonly intervalMs?: number;
  /** @default JSON */
  readonly contentType?: string;
  /** The Content-Length. @default none, and chunks */
  readonly statedBytes?: number;
}

/** The beginning of a reply, then the end of the connection. */
export interface Cut {
  readonly kind: "cut";
  readonly status: number;
  /** All that is sent. */
  readonly bytes: Buffer;
  readonly isWhole: boolean;
  /** Whether the node is gone after it. */
  readonly crashes: boolean;
}

/** What a request is for, where faults make a difference. */
export type Purpose = "exchange" | "download" | "upload" | "create" | "remove" | "map" | "other";

/** What a fault may use: the request, and the answer a healthy node would give. */
export interface Scene {
  readonly healthy: HealthyAnswer;
  /** `exchange` is POST /IpTable, whatever its body is like. */
  readonly purpose: Purpose;
  /** With the query. */
  readonly path: string;
  readonly bodies: BadBodies;
  readonly slowDelayMs: number;
  /** Where replies that are cut end; undefined = in their middle. */
  readonly cutAfterBytes: number | undefined;
  /** Another node, `HOST:PORT`. */
  readonly otherNode: string;
  /** The table of a node that lies; empty for everybody else. */
  readonly falseTable: Buffer;
}

export type Spoil = (scene: Scene) => Answer;

export const replyWith = (reply: Reply): Answer & { readonly kind: "reply" } => ({ kind: "reply", reply });

export const spoilBody = (body: Buffer, contentType = jsonType): Answer =>
  replyWith({ status: 200, contentType, body });

/** Strikes requests of one purpose only; to all others the node is a healthy one. */
export const onlyIn =
  (purpose: Purpose, spoil: Spoil): Spoil =>
  (scene) =>
    scene.purpose === purpose ? spoil(scene) : scene.healthy;

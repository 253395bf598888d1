/**
 * The ways in which a node can fail its containers. `faults.ts` takes these rows into the one table.
 *
 * Probe, exchange and speed test of such a node are healthy. A row says what becomes of the reply; what becomes of the
 * container, where that differs from a healthy node, stands in `effects`.
 */

import { type Answer, onlyIn, replyWith, type Scene, type Spoil, spoilBody } from "./answers.js";
import { shortId } from "./container-ids.js";
import { cut } from "./cut-reply.js";
import { textReply } from "./replies.js";
import { highPort, manyPorts, negativePort, nullPorts, rewriteVm } from "./vm-lies.js";

const silence: Spoil = () => ({ kind: "silence" });
const reset: Spoil = () => ({ kind: "reset" });
const late: Spoil = (scene) => ({ ...scene.healthy, lateByMs: scene.slowDelayMs });
const asIs: Spoil = (scene) => scene.healthy;
const says500 =
  (text: string): Spoil =>
  () =>
    replyWith(textReply(500, text));
const cuts =
  (crashes: boolean): Spoil =>
  ({ healthy, cutAfterBytes }) =>
    healthy.kind === "reply" ? cut(healthy.reply, { afterBytes: cutAfterBytes, crashes }) : healthy;

/** The body that a healthy node sends, spoiled; a reply that is no container stays as it is. */
const body =
  (spoil: (json: Buffer) => Answer): Spoil =>
  ({ healthy }) =>
    healthy.kind === "reply" && healthy.reply.status === 200 ? spoil(healthy.reply.body) : healthy;

const padding = Buffer.alloc(16 * 2 ** 20, "a");
const tagBegins = (json: Buffer): number => json.indexOf('"TagName":"') + '"TagName":"'.length;

/** Strike /startcontainer only. Where nothing else is said, the container runs. */
export const createFaults = {
  /** The connection is cut within the reply: after `replyCutAfterBytes`, or half of it. */
  "cut-create": cuts(false),
  /** As `cut-create`, and the node is gone from then on; its containers stay. */
  "crash-create": cuts(true),
  /** Never answers. */
  "hang-create": silence,
  /** A TCP reset instead of the reply. */
  "reset-create": reset,
  /** The right reply, but long after the container runs. */
  "slow-create": late,
  /** Never answers, and does nothing: there is no container. */
  "ignore-create": silence,
  /** A TCP reset, and nothing done: there is no container. */
  "drop-create": reset,
  /** 500 as of a failed build, and no container. */
  "status500-create": says500("error: exit status 1null"),
  /** 500, an error and then the container that runs all the same. */
  "status500-told-create": body((json) =>
    replyWith(textReply(500, `error: Publickey not passed${json.toString()}`)),
  ),
  /** 500 as of a failed start; a container runs that nobody is told of. */
  "status500-untold-create": says500("error: exit status 125null"),
  /** What nodes of 2024-08 to 2026-08 say to strangers; a container runs that nobody is told of. */
  "atoi-create": says500('error: strconv.Atoi: parsing "": invalid syntaxnull'),
  /** Every container of every such node has the same id, `fixedId`. */
  "fixed-id-create": asIs,
  /** An id that a shell would run, and a path. */
  "shell-id-create": asIs,
  /** An id of 1 MiB. */
  "huge-id-create": asIs,
  /** The reply has an empty id; the container has another. */
  "empty-id-create": rewriteVm((vm) => ({ ...vm, ID: "" })),
  /** 200 and a web page. */
  "html-create": (scene) => spoilBody(scene.bodies.html, "text/html; charset=utf-8"),
  /** 200 and the first half of the JSON, complete by HTTP's account. */
  "broken-json-create": body((json) => spoilBody(json.subarray(0, json.length / 2))),
  /** The JSON twice in a row, as nodes behind a proxy sent it for hours. */
  "two-documents-create": body((json) => spoilBody(Buffer.concat([json, json]))),
  /** Valid JSON of 16 MiB. */
  "huge-body-create": body((json) => {
    const split = tagBegins(json);
    return spoilBody(Buffer.concat([json.subarray(0, split), padding, json.subarray(split)]));
  }),
  /** JSON that never ends, its id at the beginning, as fast as the caller reads. */
  "endless-create": body((json) => ({
    kind: "flood",
    opening: json.toString("utf8", 0, tagBegins(json)),
    filling: "a",
  })),
  /** SSH on port 70000. */
  "high-port-create": rewriteVm(highPort),
  /** SSH on port -1. */
  "negative-port-create": rewriteVm(negativePort),
  /** 100,000 ports. */
  "many-ports-create": rewriteVm(manyPorts),
  /** The list of ports is null. */
  "null-ports-create": rewriteVm(nullPorts),
} as const satisfies Record<string, Spoil>;

/** Strike /RemoveContainer only. Where nothing else is said, the container is gone. */
export const removeFaults = {
  /** The connection is cut within the reply, as with `cut-create`. */
  "cut-remove": cuts(false),
  /** As `cut-remove`, and the node is gone from then on. */
  "crash-remove": cuts(true),
  /** Never answers. */
  "hang-remove": silence,
  /** A TCP reset instead of the reply. */
  "reset-remove": reset,
  /** The right reply, but long after the container is gone. */
  "slow-remove": late,
  /** 500, although the container is gone. */
  "status500-remove": says500("error: exit status 1success"),
  /** 500, and the container stays. */
  "stuck-remove": says500("error: exit status 1success"),
  /** Never answers, and the container stays. */
  "ignore-remove": silence,
  /** 200 `success`, and the container stays. */
  "lying-remove": asIs,
} as const satisfies Record<string, Spoil>;

export type ContainerFaultName = keyof typeof createFaults | keyof typeof removeFaults;

/** All rows, each only where it strikes. */
export const containerFaults = Object.fromEntries([
  ...Object.entries(createFaults).map(([name, spoil]) => [name, onlyIn("create", spoil)]),
  ...Object.entries(removeFaults).map(([name, spoil]) => [name, onlyIn("remove", spoil)]),
]) as Record<ContainerFaultName, Spoil>;

/** What a fault does to the container itself. */
export interface Effect {
  /** /startcontainer makes none, /RemoveContainer leaves it. */
  readonly isIdle?: true;
  /** What it gets as its id. */
  readonly idOf?: (fixedId: string) => string;
}

const idle: Effect = { isIdle: true };

const effects: Partial<Record<string, Effect>> = {
  "ignore-create": idle,
  "drop-create": idle,
  "status500-create": idle,
  "stuck-remove": idle,
  "ignore-remove": idle,
  "lying-remove": idle,
  "fixed-id-create": { idOf: (fixedId) => fixedId },
  "shell-id-create": { idOf: () => `../${shortId()}'";$(touch owned)&echo \`id\`|cat #` },
  "huge-id-create": { idOf: () => shortId() + "a".repeat(2 ** 20 - 22) },
} satisfies Partial<Record<ContainerFaultName, Effect>>;

/** @param purpose what the node is asked to do: a fault of removals has no effect on creates */
export const effectOf = (fault: string | undefined, purpose: Scene["purpose"]): Effect =>
  (fault?.endsWith(`-${purpose}`) === true ? effects[fault] : undefined) ?? {};

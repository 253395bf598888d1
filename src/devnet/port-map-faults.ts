/**
 * The ways in which a node can fail to map a port. `faults.ts` takes these rows into the one table.
 *
 * Everything else about such a node is healthy. Where nothing else is said, the port is mapped.
 */

import { type Answer, onlyIn, replyWith, type Spoil, spoilBody } from "./answers.js";
import { cut } from "./cut-reply.js";
import { goJson } from "./go-json.js";
import { jsonReply, textReply, textType } from "./replies.js";

/** The address that a healthy node tells, told otherwise; an error stays as it is. */
const retold =
  (tell: (host: string, port: string) => Answer): Spoil =>
  ({ healthy }) => {
    if (healthy.kind !== "reply" || healthy.reply.status !== 200) return healthy;
    const [, host = "", port = ""] = /^(.*):([0-9]+)$/.exec(healthy.reply.body.toString()) ?? [];
    return tell(host, port);
  };
const says = (text: (host: string, port: string) => string): Spoil =>
  retold((host, port) => replyWith(textReply(200, text(host, port))));

const mapFaults = {
  /** Never answers. */
  "hang-map": () => ({ kind: "silence" }),
  /** A TCP reset instead of the reply. */
  "reset-map": () => ({ kind: "reset" }),
  /** The connection is cut within the reply: after `replyCutAfterBytes`, or half of it. */
  "cut-map": ({ healthy, cutAfterBytes }) =>
    healthy.kind === "reply" ? cut(healthy.reply, { afterBytes: cutAfterBytes, crashes: false }) : healthy,
  /** The right reply, but late. */
  "slow-map": (scene) => ({ ...scene.healthy, lateByMs: scene.slowDelayMs }),
  /** 500, as of a network without a proxy; nothing is mapped. */
  "status500-map": () => replyWith(textReply(500, "error: proxy IP not found")),
  /** The port alone, as /FRPPort tells it. */
  "digits-map": says((_, port) => port),
  /** JSON whose values are text, as of 2026-01-17; the address is empty. */
  "json-map": retold((_, port) => replyWith(jsonReply(goJson({ IPAddress: "", Port: port, UDPport: port })))),
  /** 200 and a web page. */
  "html-map": (scene) => spoilBody(scene.bodies.html, "text/html; charset=utf-8"),
  /** Port 70000. */
  "high-port-map": says((host) => `${host}:70000`),
  /** What a shell would run in place of an address. */
  "shell-map": says((_, port) => `$(touch owned):${port}`),
  /** Text that never ends, as fast as the caller reads. */
  "endless-map": retold((host, port) => ({
    kind: "flood",
    opening: `${host}:${port}`,
    filling: "0",
    contentType: textType,
  })),
} as const satisfies Record<string, Spoil>;

export type MapFaultName = keyof typeof mapFaults;

/** All rows, each only where it strikes. */
export const portMapFaults = Object.fromEntries(
  Object.entries(mapFaults).map(([name, spoil]) => [name, onlyIn("map", spoil)]),
) as Record<MapFaultName, Spoil>;

/** Whether a node with this fault maps nothing, whatever it says. */
export const mapsNothing = (fault: string | undefined): boolean => fault === "status500-map";

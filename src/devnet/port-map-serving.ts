/** Serves a call of /MAPPort. Source: shared protocol notes, "Server routes", "Route details". */

import { replyWith } from "./answers.js";
import { answerTo, type Call, record, sendAfter } from "./call.js";
import type { MapParameter } from "./dialects.js";
import { DevnetError } from "./errors.js";
import { pass } from "./pause.js";
import { mapsNothing } from "./port-map-faults.js";
import type { PortMapHost } from "./port-maps.js";
import { type Reply, textReply } from "./replies.js";
import { statusOf } from "./sending.js";
import { type Query, readQuery, scanInteger } from "./start-query.js";

export const isMapCall = ({ method, path }: Pick<Call, "method" | "path">): boolean =>
  method === "GET" && path.split("?", 1)[0] === "/MAPPort";

/** Goes to its end whether or not the caller stays, as a node does. */
export async function servePortMap(call: Call, host: PortMapHost, requestBytes: number): Promise<void> {
  const { site, path, response, stage } = call;
  await pass(stage.options.mapDelayMs);
  const isIdle = mapsNothing(site.fault);
  const { reply, mappedPort } = isIdle ? failed : await map(host, readQuery(path));
  const answer = answerTo(call, { healthy: replyWith(reply), purpose: "map" });
  const hasLeft = response.destroyed;
  record(call, {
    status: hasLeft ? null : statusOf(answer),
    requestBytes,
    ...(mappedPort === undefined ? {} : { mappedPort }),
  });
  if (!hasLeft) sendAfter(call, answer);
}

interface Mapped {
  readonly reply: Reply;
  /** Outside. */
  readonly mappedPort?: number;
}

const failed: Mapped = { reply: textReply(500, "error: proxy IP not found") };

async function map({ maps, reads, toldHost }: PortMapHost, query: Query): Promise<Mapped> {
  const read = (name: MapParameter, missing: string): string =>
    reads.includes(name) ? (query.get(name) ?? missing) : missing;
  // Anything but the exact text "false" means true.
  const protocol = read("udp", "false") === "false" ? "tcp" : "udp";
  const port = scanInteger(read("port", "0"));
  try {
    const mappedPort = await maps.open(port, protocol);
    return { reply: textReply(200, `${toldHost}:${mappedPort}`), mappedPort };
  } catch (error) {
    if (error instanceof DevnetError) return failed;
    throw error;
  }
}

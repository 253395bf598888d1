/** Serves a call of a container route: note it, do it, note what became of it, answer. */

import type { ServerResponse } from "node:http";
import { type Answer, replyWith } from "./answers.js";
import { answerTo, type Call, record, sendAfter } from "./call.js";
import { effectOf } from "./container-faults.js";
import type { ContainerEvent } from "./container-ledger.js";
import { type ContainerHost, removeContainer, removedReply, startContainer } from "./container-routes.js";
import { goJson } from "./go-json.js";
import { pass } from "./pause.js";
import { type Reply, textReply } from "./replies.js";
import { statusOf } from "./sending.js";
import { type Query, readQuery } from "./start-query.js";

/** An event, without what all events of a call have in common. */
type Facts = ContainerEvent extends infer Event
  ? Event extends ContainerEvent
    ? Omit<Event, "call" | "time" | "node">
    : never
  : never;

/**
 * Goes to its end whether or not the caller stays, as a node does: a build is not given up.
 *
 * Each step is in the ledger, and on the disk where it has a file, before the next one begins: who was answered finds
 * the container there, however either side ends.
 */
export async function serveContainerCall(
  call: Call,
  route: "start" | "remove",
  requestBytes: number,
): Promise<void> {
  const { site, path, response, stage } = call;
  if (site.host === undefined) return;
  const closed = new Promise<void>((resolve) => response.once("close", resolve));
  const name = stage.nameCall();
  const note = (facts: Facts): Promise<void> =>
    stage.ledger.note({ call: name, time: new Date().toISOString(), node: site.address, ...facts });
  const query = readQuery(path);
  await note({ event: "asked", route, url: path, query: Object.fromEntries(query) });
  const { reply, done } = await (route === "start" ? start : remove)(call, site.host, query);
  const answer = answerTo(call, {
    healthy: replyWith(reply),
    purpose: route === "start" ? "create" : "remove",
  });
  if (done !== undefined) await note(done(answer));
  const hasLeft = response.destroyed;
  record(call, { status: hasLeft ? null : statusOf(answer), requestBytes });
  if (!hasLeft) sendAfter(call, answer);
  await closed;
  const hasBegun = response.headersSent || call.tally.sentBytes > 0;
  await note({
    event: "answered",
    status: hasBegun ? statusOf(answer) : null,
    isComplete: hasBegun && isWhole(answer, response),
  });
}

/** What a healthy node says, and what has been done, which may depend on what is really said. */
interface Worked {
  readonly reply: Reply;
  readonly done?: (answer: Answer) => Facts;
}

async function start({ site, stage }: Call, host: ContainerHost, query: Query): Promise<Worked> {
  const { createDelayMs, fixedId } = stage.options.containers;
  await pass(createDelayMs);
  const { isIdle, idOf } = effectOf(site.fault, "create");
  if (isIdle === true) return { reply: textReply(500, "error: exit status 1null") };
  const { reply, container } = await startContainer(host, query, idOf?.(fixedId));
  if (container === undefined) return { reply };
  const { id } = container.vm;
  return { reply, done: (answer) => ({ event: "created", id, isTold: tells(answer, id) }) };
}

async function remove({ site, stage }: Call, host: ContainerHost, query: Query): Promise<Worked> {
  await pass(stage.options.containers.removeDelayMs);
  if (effectOf(site.fault, "remove").isIdle === true) return { reply: removedReply };
  const { reply, isRemoved } = await removeContainer(host, query);
  const id = query.get("id") ?? "0";
  return isRemoved ? { reply, done: () => ({ event: "removed", id }) } : { reply };
}

/** Whether the id is in what is sent. */
function tells(answer: Answer, id: string): boolean {
  const spelled = goJson(id);
  switch (answer.kind) {
    case "reply":
      return answer.reply.body.includes(spelled);
    case "cut":
      return answer.bytes.includes(spelled);
    case "flood":
      return answer.opening.includes(spelled);
    case "download":
    case "drip":
    case "silence":
    case "reset":
      return false;
  }
}

const isWhole = (answer: Answer, response: ServerResponse): boolean =>
  answer.kind === "cut" ? answer.isWhole : answer.kind === "reply" && response.writableFinished;

/** Serves a call of a container route: note it, do it, note what became of it, answer. */

import { setTimeout as sleep } from "node:timers/promises";
import { replyWith } from "./answers.js";
import { answerTo, type Call, record, sendAfter } from "./call.js";
import type { ContainerEvent } from "./container-ledger.js";
import { type ContainerHost, removeContainer, startContainer } from "./container-routes.js";
import type { Reply } from "./replies.js";
import { statusOf } from "./sending.js";
import { type Query, readQuery } from "./start-query.js";

type Note = (facts: Facts) => Promise<void>;
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
  const note: Note = (facts) =>
    stage.ledger.note({ call: name, time: new Date().toISOString(), node: site.address, ...facts });
  const query = readQuery(path);
  await note({ event: "asked", route, url: path, query: Object.fromEntries(query) });
  const work = route === "start" ? start : remove;
  const reply = await work(site.host, { call, query, note });
  const answer = answerTo(call, {
    healthy: replyWith(reply),
    purpose: route === "start" ? "create" : "remove",
  });
  const hasLeft = response.destroyed;
  record(call, { status: hasLeft ? null : statusOf(answer), requestBytes });
  if (!hasLeft) sendAfter(call, answer);
  await closed;
  const status = response.headersSent ? statusOf(answer) : null;
  const isComplete = answer.kind === "reply" && response.headersSent && response.writableFinished;
  await note({ event: "answered", status, isComplete });
}

interface Work {
  readonly call: Call;
  readonly query: Query;
  readonly note: Note;
}

async function start(host: ContainerHost, { call, query, note }: Work): Promise<Reply> {
  await pass(call.stage.options.containers.createDelayMs);
  const { reply, container } = await startContainer(host, query);
  if (container !== undefined) {
    const isTold = reply.body.includes(JSON.stringify(container.vm.id));
    await note({ event: "created", id: container.vm.id, isTold });
  }
  return reply;
}

async function remove(host: ContainerHost, { call, query, note }: Work): Promise<Reply> {
  await pass(call.stage.options.containers.removeDelayMs);
  const { reply, isRemoved } = await removeContainer(host, query);
  if (isRemoved) await note({ event: "removed", id: query.get("id") ?? "0" });
  return reply;
}

/** A closed devnet must not keep its process alive for work nobody waits for. */
const pass = async (ms: number): Promise<void> => {
  if (ms > 0) await sleep(ms, undefined, { ref: false });
};

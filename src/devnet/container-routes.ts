/**
 * What /startcontainer and /RemoveContainer do and say.
 *
 * No handler returns after it wrote an error: what follows is appended, under the first status and content type.
 * Source: shared protocol notes, "Server routes"; sample `error-bodies.json`.
 */

import { encodeVm, type Generation } from "./docker-vm.js";
import { DevnetError } from "./errors.js";
import { jsonReply, type Reply, textReply } from "./replies.js";
import { BuildError, type Container, type Runtime } from "./runtime.js";
import { type Query, readOrder, type StartOrder } from "./start-query.js";

/** Where containers run: a node without a generation has no such routes. */
export interface ContainerHost {
  readonly generation: Generation;
  readonly runtime: Runtime;
  /** What ContainerName may say; empty is the default image, which every node has. */
  readonly imageNames: readonly string[];
}

export interface Started {
  readonly reply: Reply;
  /** There may be one although the reply says nothing of it. */
  readonly container?: Container;
}

/** A bound of ours: Docker would run out of ports elsewhere. */
const mostPorts = 1_000;

export function containerRouteOf(
  host: ContainerHost | undefined,
  method: string,
  path: string,
): "start" | "remove" | undefined {
  if (host === undefined || method !== "GET") return undefined;
  const [route] = path.split("?", 1);
  if (route === "/startcontainer") return "start";
  return route === "/RemoveContainer" && host.generation.removes !== false ? "remove" : undefined;
}

/** @param id what the container gets as its id @default one of its own */
export async function startContainer(host: ContainerHost, query: Query, id?: string): Promise<Started> {
  const order = readOrder(host.generation, query);
  const keyError = order.keyError === undefined ? "" : `error: ${order.keyError}`;
  const refuse = (reason: string): Reply => textReply(500, `${keyError}error: ${reason}null`);
  const refusal = refusalOf(host, order);
  if (refusal !== undefined) return { reply: refuse(refusal) };
  const made = await host.runtime.create(order, id).catch(exitStatusOf);
  if (typeof made === "string") return { reply: refuse(made) };
  // Docker made it, and failed to start it: it stays, and nobody is told.
  if (made.state === "created") return { reply: refuse("exit status 125"), container: made };
  const json = encodeVm(host.generation, made.vm);
  return { reply: keyError === "" ? jsonReply(json) : textReply(500, keyError + json), container: made };
}

/** What the caller is told of a failure that left no container: how Docker's command ended, and nothing more. */
function exitStatusOf(error: unknown): string {
  if (error instanceof BuildError) return "exit status 1";
  // No more sockets to be had here: to the caller it looks as if Docker had failed.
  if (error instanceof DevnetError) return "exit status 125";
  throw error;
}

function refusalOf(host: ContainerHost, order: StartOrder): string | undefined {
  if (order.containerName !== "" && !host.imageNames.includes(order.containerName))
    return `Container ${order.containerName} does not exist in the server`;
  return order.portCount > mostPorts ? "exit status 125" : undefined;
}

export interface Removed {
  readonly reply: Reply;
  readonly isRemoved: boolean;
}

export const removedReply = textReply(200, "success");

export async function removeContainer(host: ContainerHost, query: Query): Promise<Removed> {
  const id = query.get("id") ?? "0";
  if (await host.runtime.remove(id)) return { reply: removedReply, isRemoved: true };
  const reason =
    host.generation.runsDockerCommand === true ? "exit status 1" : `Error: No such container: ${id}`;
  return { reply: textReply(500, `error: ${reason}success`), isRemoved: false };
}

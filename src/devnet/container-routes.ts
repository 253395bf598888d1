/**
 * What /startcontainer and /RemoveContainer do and say.
 *
 * No handler returns after it wrote an error: what follows is appended, under the first status and content type.
 * Source: shared protocol notes, "Server routes"; sample `error-bodies.json`.
 */

import { encodeVm, type Generation } from "./docker-vm.js";
import { DevnetError } from "./errors.js";
import { jsonReply, type Reply, textReply } from "./replies.js";
import type { Container, Runtime } from "./runtime.js";
import { type Query, readOrder, type StartOrder } from "./start-query.js";

/** Where containers run: a node without a generation has no such routes. */
export interface ContainerHost {
  readonly generation: Generation;
  readonly runtime: Runtime;
  /** What ContainerName may say; empty is the default image, which every node has. */
  readonly imageNames: readonly string[];
  readonly hasGpu: boolean;
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
  const refusal = refusalOf(host, order);
  if (refusal !== undefined) return { reply: textReply(500, `${keyError}error: ${refusal}null`) };
  // Docker makes the container before it finds that there is no GPU for it.
  const isStartable = order.gpu !== "true" || host.hasGpu;
  const state = isStartable ? "running" : "created";
  const container = await host.runtime.create(order, { state, id }).catch(asUndefined);
  if (container === undefined) return { reply: textReply(500, `${keyError}error: exit status 125null`) };
  if (!isStartable) return { reply: textReply(500, `${keyError}error: exit status 125null`), container };
  const json = encodeVm(host.generation, container.vm);
  return { reply: keyError === "" ? jsonReply(json) : textReply(500, keyError + json), container };
}

/** No more sockets to be had here: to the caller it looks as if Docker had failed. */
function asUndefined(error: unknown): undefined {
  if (!(error instanceof DevnetError)) throw error;
}

function refusalOf(host: ContainerHost, order: StartOrder): string | undefined {
  if (order.containerName !== "" && !host.imageNames.includes(order.containerName))
    return `Container ${order.containerName} does not exist in the server`;
  // A name that lets tests and demos ask for a build that fails.
  if (order.baseImage.includes("does-not-build")) return "exit status 1";
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

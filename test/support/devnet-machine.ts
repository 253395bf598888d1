/** A devnet's node without its sockets: the same containers and faults, hundreds of runs in a second. */
import { setImmediate } from "node:timers/promises";
import type { Answer } from "../../src/devnet/answers.js";
import { buildBadBodies } from "../../src/devnet/bad-bodies.js";
import { effectOf } from "../../src/devnet/container-faults.js";
import type { ContainerFaultName } from "../../src/devnet/container-faults.js";
import { removeContainer, removedReply, startContainer } from "../../src/devnet/container-routes.js";
import { generations } from "../../src/devnet/docker-vm.js";
import { answerOf } from "../../src/devnet/faults.js";
import { createRandom } from "../../src/devnet/random.js";
import { type Reply, textReply } from "../../src/devnet/replies.js";
import { createSimulatedRuntime } from "../../src/devnet/simulated-runtime.js";
import { parseRemoveAnswer, parseStartAnswer } from "../../src/peer-api/container-replies.js";
import type { ContainerOrder, RemoveAnswer, StartAnswer } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { routeLimits } from "../../src/peer-api/limits.js";

/** How a machine fails its next calls; `refuse` = nothing listens. */
export type MachineFault = ContainerFaultName | "refuse";

export interface MachineCreate {
  /** Text of the labels' place in the query: nothing but the order's own fields. */
  readonly order: ContainerOrder;
  /** Of the container that was made; undefined = none was. */
  readonly id: string | undefined;
}

const bodies = buildBadBodies(createRandom(1));

export class DevnetMachine {
  readonly host: string;
  readonly creates: MachineCreate[] = [];
  readonly removals: string[] = [];
  createFault: MachineFault | undefined;
  removeFault: MachineFault | undefined;
  /** How many turns of the event loop a call takes. */
  turnsOf: () => number = () => 0;
  readonly #runtime;

  constructor(host: string) {
    this.host = host;
    this.#runtime = createSimulatedRuntime({
      host,
      generation: generations["2023-12"],
      isProxied: false,
      listens: false,
      hasGpu: false,
      sshDelayMs: 0,
    });
  }

  /** Ids of the containers that are there. */
  get ids(): readonly string[] {
    return this.#runtime.containers.map(({ vm }) => vm.id);
  }

  async start(order: ContainerOrder): Promise<StartAnswer> {
    await this.#work();
    requireListening(this.createFault);
    const fault = this.createFault;
    const { isIdle, idOf } = effectOf(fault, "create");
    const query = new Map([
      ["ports", String(order.portCount)],
      ["GPU", String(order.gpu)],
      ["ContainerName", order.image],
      ["BaseImage", order.baseImage],
      ["PublicKey", Buffer.from(order.sshPublicKey).toString("base64")],
    ]);
    const started =
      isIdle === true
        ? { reply: textReply(500, "error: exit status 1null"), container: undefined }
        : await startContainer(this.#host, query, idOf?.("sameForAllOfTheirNodes"));
    this.creates.push({ order, id: started.container?.vm.id });
    await this.#work();
    return parseStartAnswer(heard(fault, started.reply, "create", routeLimits.startContainer.maxBodyBytes));
  }

  async remove(id: string): Promise<RemoveAnswer> {
    await this.#work();
    requireListening(this.removeFault);
    const fault = this.removeFault;
    this.removals.push(id);
    const isIdle = effectOf(fault, "remove").isIdle === true;
    const { reply } = isIdle
      ? { reply: removedReply }
      : await removeContainer(this.#host, new Map([["id", id]]));
    await this.#work();
    return parseRemoveAnswer(heard(fault, reply, "remove", routeLimits.removeContainer.maxBodyBytes));
  }

  get #host() {
    const generation = generations["2023-12"];
    return { generation, runtime: this.#runtime, imageNames: ["docker-ubuntu-sshd"] };
  }

  async #work(): Promise<void> {
    for (let turn = this.turnsOf(); turn > 0; turn -= 1) await setImmediate();
  }
}

function requireListening(fault: MachineFault | undefined): void {
  if (fault === "refuse")
    throw new PeerError("CONNECTION_REFUSED", "nothing listens there", { wasSent: false });
}

/** What a caller hears of an answer. @throws {PeerError} as a call over sockets does */
function heard(
  fault: MachineFault | undefined,
  reply: Reply,
  purpose: "create" | "remove",
  maxBodyBytes: number,
): { httpStatus: number; contentType: string; body: Buffer; elapsedMs: number } {
  const scene = {
    healthy: { kind: "reply" as const, reply },
    purpose,
    path: "/",
    bodies,
    slowDelayMs: 0,
    cutAfterBytes: undefined,
    otherNode: "",
    falseTable: Buffer.alloc(0),
  };
  const answer: Answer = answerOf(fault, scene);
  switch (answer.kind) {
    case "reply":
      if (answer.reply.body.length > maxBodyBytes) throw new PeerError("TOO_LARGE", "too large");
      return { httpStatus: answer.reply.status, contentType: "", body: answer.reply.body, elapsedMs: 1 };
    case "silence":
      throw new PeerError("TIMEOUT", "no complete answer in time");
    case "flood":
      throw new PeerError("TOO_LARGE", "too large");
    case "cut":
    case "reset":
    case "download":
    case "drip":
      throw new PeerError("CONNECTION_RESET", "the connection was cut");
  }
}

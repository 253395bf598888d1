import { failpoint } from "../../system/failpoint.js";
import { whileCallerStays } from "./caller.js";
import { change, type Draft } from "../change.js";
import type { CallerOptions, CreateRequest, CreateResult, NodeDirectory, Reach } from "../contract.js";
import { isUnderWay, settledAnswer, untilSettled } from "./create-answers.js";
import { createOnNode, type CreateOnNodeDeps } from "./create-on-node.js";
import { previewCreate } from "./create-preview.js";
import { hashOf, orderOf } from "./create-orders.js";
import { ContainerError, drainingError } from "../errors.js";
import { begin, requireSame } from "./intents.js";
import { containerLimits } from "../limits.js";
import { requireGroup } from "../membership.js";
import { readGroupName } from "../names.js";
import { commitOutcome } from "./outcome.js";
import { takeBack } from "./recovery.js";
import type { FleetKeys } from "../keys/fleet-keys.js";
import type { Hold } from "../sharing/owners.js";
import type { IntentRecord, RequestRecord } from "../records.js";
import { toSpecRecord } from "../show.js";
import { checkSpec } from "./spec-grammar.js";
import { Turns } from "./turns.js";

export interface CreatesDeps extends CreateOnNodeDeps {
  readonly directory: NodeDirectory;
  readonly newIntentId: () => string;
  readonly keys: FleetKeys;
  /** Aborted when no new work is taken. */
  readonly draining: AbortSignal;
}

/** What a repeated call asks for. */
interface Asked {
  readonly argumentsHash: string;
  readonly requestId: string;
  readonly address: Reach["address"];
}

/** A creation under way, for all who wait for it. */
interface Creation {
  readonly work: Promise<CreateResult>;
  /** What callers wait for. */
  readonly answer: Promise<CreateResult>;
  waitingCount: number;
}

/**
 * The beginning of a container's life: an intent on disk before a byte is sent, and an outcome on disk for each.
 *
 * PENDING -> tracked, rolled back, failed (nothing was sent, or the node refused harmlessly) or UNKNOWN.
 */
export class Creates {
  readonly #deps: CreatesDeps;
  /** By request id, else by intent. */
  readonly #running = new Map<string, Creation>();
  /** Intents that are about to be written down: they have a place already. */
  readonly #beginning = new Set<string>();
  /** Calls with the same request id begin one after the other. */
  readonly #turns = new Turns();

  constructor(deps: CreatesDeps) {
    this.#deps = deps;
  }

  /** Calls under way, to wait for. */
  get running(): readonly Promise<unknown>[] {
    return [...this.#running.values()].map(({ work }) => work);
  }

  /** @throws {ContainerError}, {P2pError}, {PeerError}, {StoreError} */
  async create(request: CreateRequest, { caller, signal }: CallerOptions): Promise<CreateResult> {
    checkSpec(request.spec);
    const group = request.group === "" ? "" : readGroupName(request.group, "group");
    const reach = await this.#deps.directory.locate(request.node, caller);
    const { requestId } = request;
    const argumentsHash = hashOf(reach, request, group);
    if (request.validateOnly)
      return await previewCreate(this.#deps, this.#intentOf(request, reach, group), argumentsHash);
    const keyLines = await this.#keyLines();
    for (;;) {
      const begun = await this.#turns.take(requestId, () =>
        this.#begin(this.#intentOf(request, reach, group), argumentsHash, keyLines, request, signal),
      );
      if (!("outcome" in begun)) return await this.#wait(begun, signal);
      const asked = { argumentsHash, requestId, address: reach.address };
      const answer = await this.#answerAgain(begun, asked, signal);
      if (answer !== "NEVER_ASKED") return answer;
    }
  }

  /** @returns what an earlier call with the same request id left; then no node is asked */
  async #begin(
    intent: IntentRecord,
    argumentsHash: string,
    keyLines: readonly string[],
    { keepOnNodeError }: CreateRequest,
    signal: AbortSignal,
  ): Promise<RequestRecord | Creation> {
    const hold = this.#deps.owners.hold({ kind: "intent", subject: intent.id });
    let isCarriedOut = false;
    try {
      failpoint("create.checked");
      const existing = await change(this.#deps, (draft) => {
        const repeated = begin(draft, intent, argumentsHash, this.#deps.clock.nowMs());
        // Who only asks for an earlier answer gets it, whatever has changed.
        if (repeated === undefined) this.#requireRoom(intent);
        return repeated;
      });
      if (existing !== undefined) return existing;
      const obstacle = this.#obstacleTo(intent, signal);
      if (obstacle !== undefined) {
        const plan = (draft: Draft): void =>
          takeBack(draft, { kind: "intent", subject: intent.id }, intent.owner);
        await commitOutcome(this.#deps, plan, this.#deps.stopping);
        throw obstacle;
      }
      isCarriedOut = true;
      failpoint("create.begun");
      return this.#carryOut(intent, keyLines, keepOnNodeError, hold);
    } finally {
      this.#beginning.delete(intent.id);
      if (!isCarriedOut) hold.release();
    }
  }

  /** Why a node is not asked any more, by what came up while its intent was on the way to the disk. */
  #obstacleTo({ requestId }: IntentRecord, signal: AbortSignal): Error | undefined {
    // Whoever drains waits for those whose node was asked by then, and cuts off the others.
    if (this.#deps.draining.aborted) return drainingError();
    // A container that nobody can know would only be removed again.
    return signal.aborted && requestId === "" ? (signal.reason as Error) : undefined;
  }

  #intentOf({ spec, requestId }: CreateRequest, reach: Reach, group: string): IntentRecord {
    return {
      id: this.#deps.newIntentId(),
      address: reach.address,
      isAsTyped: reach.isAsTyped,
      spec: toSpecRecord(spec),
      group,
      requestId,
      state: "PENDING",
      reason: "",
      createTimeMs: this.#deps.clock.nowMs(),
      owner: this.#deps.gatewayId,
    };
  }

  /** A plan may run several times: it takes its place once. */
  #requireRoom({ id, group }: IntentRecord): void {
    if (this.#deps.draining.aborted) throw drainingError();
    this.#beginning.delete(id);
    if (this.#running.size + this.#beginning.size >= containerLimits.maxCreates)
      throw new ContainerError("TOO_MANY_CREATES", "too many containers are being created at once");
    requireGroup(this.#deps.state, group);
    this.#beginning.add(id);
  }

  /** Runs a creation to its end, whoever waits for it. */
  #carryOut(
    intent: IntentRecord,
    keyLines: readonly string[],
    keepsOnNodeError: boolean,
    hold: Hold,
  ): Creation {
    let tell!: (error: Error) => void;
    const early = new Promise<never>((_, reject) => {
      tell = reject;
    });
    // Without a request id and with nobody waiting, nobody can ever know the container.
    const isUnknowable = (): boolean => intent.requestId === "" && creation.waitingCount === 0;
    hold.markAsked();
    const order = orderOf(intent, keyLines);
    const work = createOnNode(this.#deps, { intent, order, keepsOnNodeError, isUnknowable, tellEarly: tell });
    const creation: Creation = { work, answer: Promise.race([work, early]), waitingCount: 0 };
    // Whoever asked may be gone: every outcome is written down, and none is an unhandled rejection.
    creation.answer.catch(() => undefined);
    const key = intent.requestId === "" ? intent.id : intent.requestId;
    this.#running.set(key, creation);
    const forget = (): void => {
      this.#running.delete(key);
      hold.release();
    };
    work.then(forget, forget);
    return creation;
  }

  async #wait(creation: Creation, signal: AbortSignal): Promise<CreateResult> {
    creation.waitingCount += 1;
    try {
      return await whileCallerStays(creation.answer, signal);
    } finally {
      creation.waitingCount -= 1;
    }
  }

  /** Before anything is written down: a key that cannot be used is nobody's container. */
  async #keyLines(): Promise<readonly string[]> {
    try {
      return await this.#deps.keys.lines();
    } catch (cause) {
      if ((cause as Error).name === "StoreError") throw cause;
      throw new ContainerError(
        "GATEWAY_KEY_UNUSABLE",
        "the gateway's own SSH key cannot be used; its log says why",
        {
          cause,
        },
      );
    }
  }

  /**
   * Answers a repeated request id as the first call was, or will be, answered, by this gateway or another.
   *
   * @returns NEVER_ASKED: the first call ended before its node was asked
   */
  async #answerAgain(
    { outcome }: RequestRecord,
    asked: Asked,
    signal: AbortSignal,
  ): Promise<CreateResult | "NEVER_ASKED"> {
    const { requestId } = asked;
    if (outcome.kind !== "running" && !isUnderWay(this.#deps.state, outcome))
      return settledAnswer(this.#deps.state, outcome, asked.address);
    const creation = this.#running.get(requestId);
    if (creation !== undefined) return { ...(await this.#wait(creation, signal)), isReplayed: true };
    const settled = await untilSettled(this.#deps, requestId, signal);
    if (settled === "NEVER_ASKED") return settled;
    requireSame(settled, asked.argumentsHash);
    return await this.#answerAgain(settled, asked, signal);
  }
}

/** Gateways that write, lag, lose their store and bring it back: the records of containers, without nodes and disks. */
import { isDeepStrictEqual } from "node:util";
import { change, type ChangeDeps, type Plan } from "../../src/containers/change.js";
import { containerLimits } from "../../src/containers/limits.js";
import { begin, settleCreated } from "../../src/containers/life/intents.js";
import { settleAsUnknown } from "../../src/containers/life/recovery.js";
import { untrack } from "../../src/containers/life/untrack.js";
import { endGroup, enterGroup, leaveGroup } from "../../src/containers/membership.js";
import { containerKey } from "../../src/containers/names.js";
import { keyOf, read, readKey, type RecordKind, type RecordOfKind } from "../../src/containers/records.js";
import { hasKnownEnd } from "../../src/containers/sharing/known-end.js";
import { Mends } from "../../src/containers/sharing/mends.js";
import { TrackedState } from "../../src/containers/tracked-state.js";
import { silentLogger } from "../../src/observability/logger.js";
import type { RecordValue, StoredRecord } from "../../src/store/contract.js";
import { isOfRescue, RecordView } from "../../src/store/view.js";
import { FakeClock } from "./fake-clock.js";
import { Seat } from "./losing-store.js";
import { MemoryStore } from "./memory-store.js";
import { aNodeContainer } from "./peers.js";
import { anIntent, someNode } from "./tracked.js";

/** What a gateway does; `n` picks the container, `m` the group. */
export interface Act {
  readonly what:
    | "begin"
    | "giveUp"
    | "settle"
    | "create"
    | "remove"
    | "touch"
    | "group"
    | "enter"
    | "leave"
    | "end";
  readonly n: number;
  readonly m: number;
}

export interface Gateway extends ChangeDeps {
  readonly seat: Seat;
  readonly view: RecordView;
  readonly mends: Mends;
}

export type Values = ReadonlyMap<string, RecordValue>;

const idOf = (n: number): string => `container-${String(n)}`;
export const keyAt = (n: number): string => containerKey(someNode, idOf(n));
const groupAt = (m: number): string => `grp${String(m)}`;

export class LossModel {
  readonly store = new MemoryStore();
  readonly clock = new FakeClock();
  readonly gateways: Gateway[] = [];
  /** What the store held after each number of commits. */
  readonly pasts: Values[] = [];
  #count = 0;

  static async open(gatewayCount: number): Promise<LossModel> {
    const model = new LossModel();
    model.store.remembersOperations = true;
    for (let n = 0; n < gatewayCount; n += 1) await model.#join();
    model.pasts.push(await model.values());
    return model;
  }

  async #join(): Promise<void> {
    const { store, clock } = this;
    const seat = new Seat(store);
    const view = await RecordView.open(seat, silentLogger, clock, hasKnownEnd);
    const state = await TrackedState.open(view, clock);
    const deps = { store: seat, state, clock, newOperationId: () => `op-${String((this.#count += 1))}` };
    this.gateways.push({ ...deps, seat, view, mends: new Mends({ ...deps, logger: silentLogger }) });
  }

  /** Does it if it can be done. @returns whether anything was written */
  async act(gateway: Gateway, act: Act): Promise<boolean> {
    await this.clock.advance(1);
    const before = this.store.commits.length;
    await change(gateway, this.#planOf(gateway, act));
    if (this.store.commits.length === before) return false;
    this.pasts.push(await this.values());
    return true;
  }

  /** Loses all but the first commits. */
  lose(commitCount: number): void {
    for (const { seat } of this.gateways) seat.hold();
    this.store.loseAfter(commitCount);
    for (const { seat } of this.gateways) seat.noteLoss();
  }

  /** Lets one find out. */
  async find(gateway: Gateway): Promise<void> {
    gateway.seat.release();
    for (let round = 0; round < 3; round += 1) await this.clock.advance(1_000);
  }

  /** Lets everybody look for what is left to mend, as they do now and then. */
  async quieten(order: readonly Gateway[]): Promise<void> {
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(order.map(({ mends }) => mends.look()));
      await this.clock.advance(containerLimits.sweepMs);
    }
  }

  /** What the store holds, but for what is about rescues. */
  async values(): Promise<Values> {
    return plainly((await this.store.load()).records.values());
  }

  async close(): Promise<void> {
    for (const { mends, view } of this.gateways) {
      await mends.close();
      await view.close();
    }
  }

  #planOf(deps: Gateway, { what, n, m }: Act): Plan<void> {
    const { state, clock } = deps;
    const [key, group] = [keyAt(n), groupAt(m)];
    const member = { key, address: someNode, id: idOf(n) };
    const nowMs = clock.nowMs();
    const intentId = `int${String((this.#count += 1))}`;
    const intent = anIntent({
      id: intentId,
      requestId: `r-${intentId}`,
      state: "PENDING",
      createTimeMs: nowMs,
    });
    return (draft) => {
      const tracked = draft.get("container", key);
      const isGroup = draft.get("group", group) !== undefined;
      if (what === "begin") begin(draft, intent, "hash", nowMs);
      if (what === "settle") {
        const [open] = [...state.all("intent")].slice(m);
        if (open !== undefined && tracked === undefined)
          settleCreated(draft, open, aNodeContainer({ ID: member.id }), "");
      }
      if (what === "giveUp") {
        const [open] = [...state.all("intent")].slice(m);
        if (open !== undefined) settleAsUnknown(draft, { kind: "intent", subject: open.id }, open.owner);
      }
      if (what === "create" && tracked === undefined)
        settleCreated(draft, { ...intent, requestId: "" }, aNodeContainer({ ID: member.id }), "");
      if (what === "remove" && tracked !== undefined) untrack(draft, deps, key, "NODE_CONFIRMED");
      if (what === "touch" && tracked !== undefined)
        draft.put("container", key, { ...tracked, lastSeenTimeMs: nowMs });
      if (what === "group" && !isGroup && draft.get("ended", group) === undefined)
        draft.put("group", group, { id: group, createTimeMs: nowMs, memberCount: 0, changeCount: 0 });
      if (what === "enter" && isGroup && tracked !== undefined) enterGroup(draft, group, [member]);
      if (what === "leave" && isGroup) leaveGroup(draft, group, [member]);
      if (what === "end" && isGroup) {
        const members = state.membersOf(group).map((one) => ({ ...member, key: one }));
        endGroup(draft, group, members, nowMs);
      }
    };
  }
}

export const plainly = (records: Iterable<StoredRecord>): Values =>
  new Map(
    [...records]
      .filter(({ key }) => !isOfRescue(key))
      .map(({ key, value }): [string, RecordValue] => [key, value])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

export const recordsOf = <K extends RecordKind>(
  values: Values,
  kind: K,
): readonly [string, RecordOfKind[K]][] =>
  [...values].flatMap(([key, value]): [string, RecordOfKind[K]][] => {
    const known = readKey(key);
    return known?.kind === kind ? [[known.subject, read(kind, value)]] : [];
  });

const has = (values: Values, kind: RecordKind, subject: string): boolean => values.has(keyOf[kind](subject));

/** @returns what contradicts itself in a state */
export function contradictions(values: Values): readonly string[] {
  const wrong: string[] = [];
  const counts = new Map<string, number>();
  for (const [key, { groups }] of recordsOf(values, "membership")) {
    if (!has(values, "container", key)) wrong.push(`a member that is not tracked: ${key}`);
    for (const { id } of groups) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      if (!has(values, "group", id)) wrong.push(`a membership in no group: ${id}`);
    }
  }
  const ends = new Map(recordsOf(values, "ended"));
  for (const [id, { memberCount, createTimeMs }] of recordsOf(values, "group")) {
    if (memberCount !== (counts.get(id) ?? 0)) wrong.push(`a wrong count: ${id} ${String(memberCount)}`);
    // A file may bring one back later.
    if (createTimeMs <= (ends.get(id)?.endTimeMs ?? 0)) wrong.push(`a group that has ended: ${id}`);
  }
  const came = new Set<string>();
  for (const [key, { intent = "" }] of recordsOf(values, "container")) {
    came.add(intent);
    if (has(values, "tombstone", key)) wrong.push(`a container that was removed: ${key}`);
    if (!has(values, "secret", key)) wrong.push(`a container without its secret: ${key}`);
  }
  for (const [, { container }] of recordsOf(values, "tombstone")) came.add(container.intent ?? "");
  for (const [key] of recordsOf(values, "secret"))
    if (!has(values, "container", key)) wrong.push(`a secret of nothing: ${key}`);
  for (const [id] of recordsOf(values, "intent"))
    if (came.has(id)) wrong.push(`an intent beside its container: ${id}`);
  for (const [id, { outcome }] of recordsOf(values, "request")) {
    if (outcome.kind === "running" && !has(values, "intent", outcome.intent))
      wrong.push(`a request that nobody carries out: ${id}`);
    if (outcome.kind !== "tracked" && "intent" in outcome && came.has(outcome.intent))
      wrong.push(`a request that does not know its container: ${id}`);
  }
  return wrong;
}

/** Whether all gateways show what the store holds. */
export async function isOneState(model: LossModel): Promise<boolean> {
  const values = await model.values();
  return model.gateways.every(({ view }) => isDeepStrictEqual(plainly(view.entries()), values));
}

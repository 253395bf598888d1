import { hash } from "node:crypto";
import { catchUp, change, type ChangeDeps, type Draft } from "./change.js";
import type {
  CallerOptions,
  Container,
  Group,
  GroupWithMembers,
  RemoveGroupResult,
  TargetResult,
} from "./contract.js";
import { weightOf } from "../filter/weight.js";
import { earlierRequest } from "./life/intents.js";
import { ContainerError, requireTaken } from "./errors.js";
import { containerLimits } from "./limits.js";
import { findNamed } from "./lookup.js";
import { endGroup, enterGroup, groupNotFound, leaveGroup, type Member } from "./membership.js";
import { groupName, readGroupName } from "./names.js";
import type { Records } from "./tracked-state.js";
import { notTracked } from "./life/remove-errors.js";
import type { Removals } from "./life/removals.js";
import { showContainer, showGroup } from "./show.js";
import { whileCallerStays } from "./life/caller.js";

export interface GroupsDeps extends ChangeDeps {
  readonly removals: Removals;
  /** A UUID. */
  readonly newGroupId: () => string;
  /** Aborted when no new work is taken. */
  readonly draining: AbortSignal;
}

/** Removals of one group's members at once. */
const removalConcurrency = 8;

/** Sets of tracked containers. Every change of one is a single commit. */
export class Groups {
  readonly #deps: GroupsDeps;

  constructor(deps: GroupsDeps) {
    this.#deps = deps;
  }

  /** Makes a group. @throws {ContainerError} CONTAINER_NOT_TRACKED, GROUP_FULL, TOO_MANY_GROUPS, REQUEST_ID_REUSED */
  async create(
    containers: readonly string[],
    requestId: string,
  ): Promise<{ readonly group: Group; readonly isReplayed: boolean }> {
    const { state, clock, newGroupId } = this.#deps;
    const argumentsHash = hash("sha256", JSON.stringify(["group", containers]), "base64url");
    const id = `grp${newGroupId()}`;
    const existing = await change(this.#deps, (draft) => {
      const nowMs = clock.nowMs();
      const known = requestId === "" ? undefined : draft.get("request", requestId);
      const request = earlierRequest(known, argumentsHash, nowMs);
      if (request !== undefined) return request.outcome.kind === "group" ? request.outcome.group : undefined;
      draft.put("group", id, { id, createTimeMs: nowMs, memberCount: 0, changeCount: 0 });
      enterGroup(draft, id, this.#membersNamed(draft, containers));
      if (requestId !== "") {
        const expireTimeMs = nowMs + containerLimits.requestIdKeptMs;
        draft.put("request", requestId, {
          argumentsHash,
          expireTimeMs,
          outcome: { kind: "group", group: id },
        });
      }
      return undefined;
    });
    const group = showGroup(state, existing ?? id);
    if (group === undefined) throw groupNotFound(existing ?? id);
    return { group, isReplayed: existing !== undefined };
  }

  /** Reads a group, with as many of its members as fit an answer: a node may tell much of each. */
  get(name: string): GroupWithMembers {
    const { state } = this.#deps;
    const id = readGroupName(name, "group");
    const group = showGroup(state, id);
    if (group === undefined) throw groupNotFound(id);
    const members = state.membersOf(id);
    const containers: Container[] = [];
    let weightBytes = 0;
    let shownCount = 0;
    for (const key of members) {
      if (weightBytes > containerLimits.maxPageBytes) break;
      shownCount += 1;
      const container = showContainer(state, key, state.seenTimeMs(key));
      if (container === undefined) continue;
      weightBytes += weightOf(container);
      containers.push(container);
    }
    return { group, containers, omittedCount: members.length - shownCount };
  }

  /** Makes containers members, all or none. */
  async add(name: string, containers: readonly string[], etag: string): Promise<Group> {
    return await this.#change(name, etag, (draft, id) => {
      enterGroup(draft, id, this.#membersNamed(draft, containers));
    });
  }

  /** Takes containers out, all or none. */
  async take(name: string, containers: readonly string[], etag: string): Promise<Group> {
    return await this.#change(name, etag, (draft, id) => {
      leaveGroup(draft, id, this.#membersNamed(draft, containers));
    });
  }

  /** Ends a group. With `removesContainers` its members are removed first, and it stays while one of them does. */
  async remove(
    name: string,
    etag: string,
    removesContainers: boolean,
    { signal }: CallerOptions,
  ): Promise<RemoveGroupResult> {
    const id = readGroupName(name, "group");
    // Its members are taken from here: what another gateway has just confirmed is among them.
    await catchUp(this.#deps);
    const before = this.#shown(id);
    requireEtag(before, etag);
    if (removesContainers) requireTaken(this.#deps.draining);
    const results = removesContainers ? await whileCallerStays(this.#removeMembers(id, before), signal) : [];
    if (results.some(({ error }) => error !== undefined)) {
      return { group: showGroup(this.#deps.state, id) ?? before, isRemoved: false, results };
    }
    await change(this.#deps, (draft) => {
      const group = draft.get("group", id);
      if (group === undefined) {
        if (results.length > 0) return;
        throw groupNotFound(id);
      }
      if (!removesContainers) requireEtag(this.#shown(id), etag);
      const members = this.#deps.state.membersOf(id).map((key) => memberOf(this.#deps.state, key));
      endGroup(draft, id, members, this.#deps.clock.nowMs());
    });
    return { group: before, isRemoved: true, results };
  }

  async #removeMembers(id: string, { containers }: Group): Promise<readonly TargetResult[]> {
    const { state, removals, clock, draining } = this.#deps;
    const keys = state.membersOf(id);
    const results: TargetResult[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < keys.length; index = next++) {
        const key = keys[index] ?? "";
        const startMs = clock.monotonicMs();
        let error: unknown;
        try {
          // The members that are left when the gateway drains are for the next call.
          requireTaken(draining);
          if (state.get("container", key) !== undefined) await removals.removeForCaller(key);
        } catch (failure) {
          error = isGone(failure) ? undefined : failure;
        }
        const elapsedMs = clock.monotonicMs() - startMs;
        results[index] = { target: containers[index] ?? key, error, elapsedMs };
      }
    };
    await Promise.all(Array.from({ length: removalConcurrency }, work));
    return results;
  }

  async #change(name: string, etag: string, plan: (draft: Draft, id: string) => void): Promise<Group> {
    const id = readGroupName(name, "group");
    await change(this.#deps, (draft) => {
      if (draft.get("group", id) === undefined) throw groupNotFound(id);
      requireEtag(this.#shown(id), etag);
      plan(draft, id);
    });
    return this.#shown(id);
  }

  #shown(id: string): Group {
    const group = showGroup(this.#deps.state, id);
    if (group === undefined) throw groupNotFound(id);
    return group;
  }

  /** Each container once, in the order named; all of them stay tracked until the commit. */
  #membersNamed(draft: Draft, names: readonly string[]): readonly Member[] {
    const members = new Map<string, Member>();
    names.forEach((name, index) => {
      const field = `containers[${String(index)}]`;
      const found = findNamed(this.#deps.state, name, field);
      if (found === undefined || draft.get("container", found.key) === undefined) throw notTracked(name);
      const { address, id } = found.record;
      members.set(found.key, { key: found.key, address, id });
    });
    return [...members.values()];
  }
}

function memberOf(records: Records, key: string): Member {
  const membership = records.get("membership", key);
  return membership === undefined
    ? { key, address: { host: "", port: 0 }, id: "" }
    : { key, address: membership.address, id: membership.id };
}

/** Others removed it just before us: nothing of it is left to stand in the way of the group's end. */
const isGone = (failure: unknown): boolean =>
  failure instanceof ContainerError && failure.reason === "CONTAINER_NOT_TRACKED";

function requireEtag(group: Group, etag: string): void {
  if (etag === "" || group.etag === etag) return;
  throw new ContainerError("ETAG_MISMATCH", "the group has changed since that etag", {
    metadata: { group: groupName(group.id) },
  });
}

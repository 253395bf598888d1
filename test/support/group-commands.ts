/** What callers can do to groups, as commands for fast-check. */
import { expect } from "@jest/globals";
import fc from "fast-check";
import type { Group } from "../../src/gen/p2prc/client/v1/group_pb.js";
import {
  answerOf,
  command,
  etagOf,
  etags,
  expectAnswer,
  fewTimes,
  groupOf,
  memberOf,
  node,
  pick,
  requestId,
  withFaults,
} from "./command-parts.js";
import { type Answer, removeFaults, removalOn } from "./containers-model.js";

export const createGroup = fc.record({ members: fc.array(pick, { maxLength: 4 }), requestId }).map((asked) =>
  command("create a group", asked, async (model, { room }) => {
    const names = asked.members.map((index) => memberOf(model, index));
    const nowMs = room.clock.nowMs();
    const wire = { containers: names, requestId: asked.requestId };
    const real = await answerOf(room.api.createGroup(wire), ({ group }) => group?.name ?? "");
    const repeated = model.repeated(asked.requestId, wire, nowMs);
    if (repeated !== undefined) {
      const isGone = repeated.kind === "done" && !model.groups.has(repeated.name);
      expectAnswer(real, isGone ? { kind: "refused", reason: "GROUP_NOT_FOUND" } : repeated);
      return;
    }
    const group = real.kind === "done" ? real.name : "";
    const expected = model.grouped(group, names);
    if (real.kind === "done" && !model.groups.has(group)) model.groups.set(group, []);
    expectAnswer(real, expected);
    if (expected.kind === "done") model.remember(asked.requestId, wire, nowMs, expected);
  }),
);

export const regroup = fc
  .record({
    isAdded: fc.boolean(),
    group: pick,
    members: fc.array(pick, { minLength: 1, maxLength: 4 }),
    etag: etags,
  })
  .map((asked) =>
    command(asked.isAdded ? "add" : "take", asked, async (model, { room: { api } }) => {
      const group = groupOf(model, asked.group);
      const names = asked.members.map((index) => memberOf(model, index));
      const { etag, isStale } = await etagOf(
        asked.etag,
        async () => (await api.getGroup({ group })).group?.etag ?? "",
      );
      const wire = { group, containers: names, etag };
      const call = asked.isAdded ? api.addContainersToGroup(wire) : api.removeContainersFromGroup(wire);
      const real = await answerOf<{ group?: Group | undefined }>(
        call,
        (response) => response.group?.name ?? "",
      );
      let expected: Answer;
      if (!model.groups.has(group)) expected = { kind: "refused", reason: "GROUP_NOT_FOUND" };
      else if (isStale) expected = { kind: "refused", reason: "ETAG_MISMATCH" };
      else expected = asked.isAdded ? model.grouped(group, names) : model.ungrouped(group, names);
      expectAnswer(real, expected);
    }),
  );

export const removeGroup = fc
  .record({
    group: pick,
    removeContainers: fc.boolean(),
    node,
    fault: fewTimes(fc.constantFrom(...removeFaults)),
    etag: etags,
  })
  .map((asked) =>
    command("remove a group", asked, async (model, { room }) => {
      const group = groupOf(model, asked.group);
      const { removeContainers } = asked;
      const { etag, isStale } = await etagOf(
        asked.etag,
        async () => (await room.api.getGroup({ group })).group?.etag ?? "",
      );
      const machine = room.machines[asked.node]!;
      const members = model.groups.get(group) ?? [];
      const removals = members.map((name) => {
        const isHere = name.includes(machine.host);
        const ids = room.machines.find(({ host }) => name.includes(host))?.ids ?? [];
        return removalOn(
          isHere ? asked.fault : undefined,
          ids.includes(name.slice(name.lastIndexOf("/") + 1)),
        );
      });
      const real = await withFaults(machine, { remove: asked.fault }, () =>
        answerOf(
          room.api.removeGroup({ group, removeContainers, etag }),
          (response) => response.group?.name ?? "",
        ),
      );
      if (!model.groups.has(group)) expectAnswer(real, { kind: "refused", reason: "GROUP_NOT_FOUND" });
      else if (isStale) expectAnswer(real, { kind: "refused", reason: "ETAG_MISMATCH" });
      else {
        expectAnswer(real, { kind: "done", name: group });
        const answers = removeContainers ? members.map((name, at) => model.removed(name, removals[at]!)) : [];
        const isRemoved = answers.every(({ kind }) => kind === "done");
        if (isRemoved) model.disbanded(group);
        const { removed, results = [] } = real.kind === "done" ? (real.response ?? {}) : {};
        expect(removed).toBe(isRemoved);
        expect(results.map(({ target, error }) => [target, error?.reason ?? ""])).toEqual(
          answers.map((answer, at) => [members[at], answer.kind === "done" ? "" : answer.reason]),
        );
      }
    }),
  );

/** What callers, nodes and time can do to the API of containers, as commands for fast-check. */
import { expect } from "@jest/globals";
import fc from "fast-check";
import type { CreateContainerResponse } from "../../src/gen/p2prc/client/v1/container_pb.js";
import {
  answerOf,
  command,
  etagOf,
  etags,
  expectAnswer,
  fewTimes,
  groupOf,
  nameOf,
  node,
  pick,
  requestId,
  withFaults,
} from "./command-parts.js";
import {
  type Answer,
  createFaults,
  type ModelContainer,
  removeFaults,
  removalOn,
} from "./containers-model.js";
import { createGroup, regroup, removeGroup } from "./group-commands.js";

const create = fc
  .record({
    node,
    role: fc.constantFrom("", "render", "train"),
    portCount: fc.nat({ max: 2 }),
    image: fc.constantFrom("", "", "", "docker-ubuntu-sshd", "unknown"),
    group: fewTimes(pick),
    requestId,
    keepOnNodeError: fc.boolean(),
    fault: fewTimes(fc.constantFrom(...createFaults, "fixed-id-create", "status500-told-create")),
    removeFault: fewTimes(fc.constantFrom(...removeFaults)),
    isJoined: fc.boolean(),
    validateOnly: fc.nat({ max: 7 }).map((n) => n === 7),
  })
  .map((asked) =>
    command("create", asked, async (model, { room }) => {
      const { role, portCount, image, keepOnNodeError, validateOnly } = asked;
      const machine = room.machines[asked.node]!;
      const faults = { create: image === "unknown" ? undefined : asked.fault, remove: asked.removeFault };
      const labels: Record<string, string> = role === "" ? {} : { role };
      const group = asked.group === undefined ? "" : groupOf(model, asked.group);
      const order = {
        node: room.nodes[asked.node]!,
        labels,
        portCount,
        image,
        group,
        requestId: asked.requestId,
        keepOnNodeError,
      };
      const wire = {
        placement: { case: "node" as const, value: order.node },
        spec: { portCount, image, labels },
        group,
        requestId: asked.requestId,
        keepOnNodeError,
        validateOnly,
      };
      const nowMs = room.clock.nowMs();
      const nameIn = (response: CreateContainerResponse): string => response.container?.name ?? "";
      const countBefore = machine.creates.length;
      const [real, joined] = await withFaults(machine, faults, async () => {
        const first = answerOf(room.api.createContainer(wire), nameIn);
        // Who comes with the same id while the first call runs gets its answer too.
        const second = asked.isJoined && asked.requestId !== "" ? room.api.createContainer(wire) : undefined;
        return await Promise.all([first, second === undefined ? undefined : answerOf(second, nameIn)]);
      });
      const made = machine.creates.slice(countBefore);
      const repeated = model.repeated(asked.requestId, { ...order }, nowMs);
      const isGroupMissing = group !== "" && !model.groups.has(group);
      if (validateOnly || repeated !== undefined || isGroupMissing) {
        expect(made).toEqual([]);
        const missing: Answer = { kind: "refused", reason: "GROUP_NOT_FOUND" };
        const expected = repeated ?? (isGroupMissing ? missing : { kind: "done" as const, name: "" });
        expectAnswer(real, expected);
        if (joined !== undefined) expectAnswer(joined, expected);
        if (repeated?.kind === "done") expect(real.response?.replayed).toBe(true);
        return;
      }
      expect(made.length).toBeLessThanOrEqual(faults.create === "refuse" && joined !== undefined ? 2 : 1);
      const intent = real.kind === "refused" ? (real.metadata?.["intent"] ?? "") : "";
      const id = made[0]?.id ?? "";
      const places = { intent, made: `${order.node}/containers/${id}` };
      const removal = removalOn(faults.remove, true);
      const expected = model.created(order, faults.create, removal, places);
      expectAnswer(real, expected);
      if (intent !== "") expect(intent).toMatch(new RegExp(`^${order.node}/containers/~id-\\d+$`));
      if (joined !== undefined) expectAnswer(joined, expected);
      if (joined?.kind === "done")
        expect([real.response?.replayed, joined.response?.replayed].sort()).toEqual([false, true]);
      if (faults.create !== "refuse") model.remember(asked.requestId, { ...order }, nowMs, expected);
    }),
  );

const remove = fc
  .record({
    index: pick,
    fault: fewTimes(fc.constantFrom(...removeFaults)),
    forgetOnly: fc.boolean(),
    etag: etags,
  })
  .map((asked) =>
    command("remove", asked, async (model, { room }) => {
      const name = nameOf(model, asked.index);
      const machine = room.machines.find(({ host }) => name.includes(host))!;
      const id = name.slice(name.lastIndexOf("/") + 1);
      const { etag, isStale } = await etagOf(
        asked.etag,
        async () => (await room.api.getContainer({ container: name })).container?.etag ?? "",
      );
      const isThere = machine.ids.includes(id);
      const askedBefore = machine.removals.length;
      const call = () => room.api.removeContainer({ container: name, forgetOnly: asked.forgetOnly, etag });
      const real = await withFaults(machine, { remove: asked.fault }, () =>
        answerOf(call(), ({ container }) => container?.name ?? ""),
      );
      const isUnknown = model.containers.get(name)?.state === "UNKNOWN";
      let expected: Answer;
      if (!isUnknown && !model.isTracked(name))
        expected = { kind: "refused", reason: "CONTAINER_NOT_TRACKED" };
      else if (isStale) expected = { kind: "refused", reason: "ETAG_MISMATCH" };
      else if (asked.forgetOnly) expected = model.forgotten(name);
      else if (isUnknown) expected = { kind: "refused", reason: "CONTAINER_UNRESOLVED" };
      else expected = model.removed(name, removalOn(asked.fault, isThere));
      expectAnswer(real, expected);
      if (asked.forgetOnly || isUnknown || isStale) expect(machine.removals).toHaveLength(askedBefore);
      if (real.kind === "done") expect(real.response?.nodeMessage).toBe(asked.forgetOnly ? "" : "success");
    }),
  );

const passesOf: Readonly<Record<string, (name: string, container: ModelContainer) => boolean>> = {
  "": () => true,
  "spec.labels.role = render": (_, { labels }) => labels["role"] === "render",
  "state = UNKNOWN": (_, { state }) => state === "UNKNOWN",
  "state != ACTIVE": (_, { state }) => state !== "ACTIVE",
  'groups:"grp"': (_, { groups }) => groups.some((group) => group.includes("grp")),
  'node = "nodes/45.0.0.1:8088" AND spec.port_count > 0': (name, { portCount }) =>
    name.startsWith("nodes/45.0.0.1:8088/") && portCount > 0,
};
const byName = (a: string, b: string): number => (a < b ? -1 : 1);

const list = fc
  .record({
    filter: fc.constantFrom(...Object.keys(passesOf)),
    orderBy: fc.constantFrom("", "spec.port_count desc", "spec.port_count, name desc"),
    pageSize: fc.integer({ min: 1, max: 4 }),
    showRemoved: fc.boolean(),
  })
  .map((asked) =>
    command("list", asked, async (model, { room: { api } }) => {
      const names: string[] = [];
      let pageToken = "";
      do {
        const page = await api.listContainers({ ...asked, pageToken });
        expect(page.containers.length).toBeLessThanOrEqual(asked.pageSize);
        names.push(...page.containers.map(({ name }) => name));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      const passing = [...model.containers].filter(
        ([name, container]) =>
          (asked.showRemoved || container.state !== "REMOVED") && passesOf[asked.filter]!(name, container),
      );
      const order = (a: (typeof passing)[number], b: (typeof passing)[number]): number => {
        if (asked.orderBy === "") return byName(a[0], b[0]);
        const isDescending = asked.orderBy.endsWith("port_count desc");
        const ports = a[1].portCount - b[1].portCount;
        return (isDescending ? -ports : ports) || (isDescending ? byName(a[0], b[0]) : byName(b[0], a[0]));
      };
      expect(names).toEqual(passing.sort(order).map(([name]) => name));
    }),
  );

const plugging = fc.record({ tap: fc.nat({ max: 3 }) }).map(({ tap: index }) =>
  command("plug", { index }, async (_model, { taps }) => {
    // The first one never leaves.
    const tap = taps[1 + (index % (taps.length - 1))]!;
    if (tap.isConnected) await tap.disconnect();
    else tap.connect();
  }),
);

const sleep = fc.constant(
  command("let a day pass", {}, async (_model, { room }) => {
    room.clock.jump(24 * 60 * 60_000);
  }),
);

export const commands = fc.commands(
  [
    create,
    create,
    create,
    remove,
    remove,
    createGroup,
    regroup,
    regroup,
    removeGroup,
    list,
    plugging,
    plugging,
    sleep,
  ],
  { maxCommands: 40, size: "max" },
);

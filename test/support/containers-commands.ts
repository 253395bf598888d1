/** What callers, nodes and time can do to the API of containers, as commands for fast-check. */
import { expect } from "@jest/globals";
import { ConnectError } from "@connectrpc/connect";
import { toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import {
  type Container,
  Container_State,
  type CreateContainerResponse,
} from "../../src/gen/p2prc/client/v1/container_pb.js";
import { type Group, GroupSchema } from "../../src/gen/p2prc/client/v1/group_pb.js";
import {
  type Answer,
  type ContainersModel,
  type CreateFault,
  createFaults,
  type ModelContainer,
  type RemoveFault,
  removeFaults,
  removalOn,
} from "./containers-model.js";
import type { ContainersRoom } from "./containers-room.js";
import type { DevnetMachine } from "./devnet-machine.js";
import type { WatchTap } from "./watch-tap.js";

export interface Real {
  readonly room: ContainersRoom;
  readonly taps: readonly WatchTap[];
}
type Command = fc.AsyncCommand<ContainersModel, Real>;
type Run = (model: ContainersModel, real: Real) => Promise<void>;

/** A command that is always possible; its text is what a failure prints. */
const command = (what: string, values: unknown, run: Run): Command => ({
  check: () => true,
  run,
  toString: () => `${what} ${JSON.stringify(values)}`,
});

/** Picks out of what there is: shrinks to the first. */
const pick = fc.nat({ max: 11 });
const node = fc.nat({ max: 2 });
const fewTimes = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const requestId = fc.constantFrom("", "", "r1", "r2");
const etags = fc.constantFrom("none", "none", "current", "stale");

const nameOf = (model: ContainersModel, index: number): string => {
  const names = [...model.containers.keys(), "nodes/45.0.0.1:8088/containers/nobody"];
  return names[index % names.length] ?? "";
};
/** Mostly those that may be members. */
const memberOf = (model: ContainersModel, index: number): string => {
  const tracked = [...model.containers.keys()].filter((name) => model.isTracked(name));
  return tracked.length === 0 || index === 11
    ? nameOf(model, index)
    : (tracked[index % tracked.length] ?? "");
};
const groupOf = (model: ContainersModel, index: number): string => {
  const names = [...model.groups.keys(), "groups/grp-nobody"];
  return names[index % names.length] ?? "";
};

/** What a call came to, as the model has it. */
async function answerOf<T>(
  call: Promise<T>,
  name: (response: T) => string,
): Promise<Answer & { response?: T }> {
  try {
    const response = await call;
    return { kind: "done", name: name(response), response };
  } catch (error) {
    const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
    if (info === undefined) throw error;
    return { kind: "refused", reason: info.reason, metadata: info.metadata };
  }
}

function expectAnswer(real: Answer, expected: Answer): void {
  expect(real).toMatchObject(expected);
}

/** Faults last for one command. */
async function withFaults<T>(
  machine: DevnetMachine,
  faults: { readonly create?: CreateFault | undefined; readonly remove?: RemoveFault | undefined },
  work: () => Promise<T>,
): Promise<T> {
  machine.createFault = faults.create;
  machine.removeFault = faults.remove;
  try {
    return await work();
  } finally {
    machine.createFault = undefined;
    machine.removeFault = undefined;
  }
}

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
      const repeated = validateOnly ? undefined : model.repeated(asked.requestId, { ...order }, nowMs);
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

/** An etag of a kind, and whether a change that carries it goes through. */
async function etagOf(
  kind: string,
  current: () => Promise<string>,
): Promise<{ readonly etag: string; readonly isStale: boolean }> {
  if (kind === "none") return { etag: "", isStale: false };
  const etag = await current().catch(() => "");
  return kind === "stale" || etag === "" ? { etag: '"stale"', isStale: true } : { etag, isStale: false };
}

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

const createGroup = fc.record({ members: fc.array(pick, { maxLength: 4 }), requestId }).map((asked) =>
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

const regroup = fc
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

const removeGroup = fc
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

const stateOf = (text: string): Container_State => Container_State[text as keyof typeof Container_State];
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

/** What the API shows of a container, as the model has it. */
function shownOf({ state, stateReason, groups, spec }: Container): ModelContainer & { state: string } {
  return {
    state: Container_State[state] as ModelContainer["state"],
    reason: stateReason,
    groups,
    labels: { ...spec?.labels },
    portCount: spec?.portCount ?? 0,
  };
}

/** Compares everything that can be read with the model. */
export async function expectAgreement(model: ContainersModel, { room, taps }: Real): Promise<void> {
  await room.quiet();
  const { containers } = await room.api.listContainers({ pageSize: 1_000, showRemoved: true });
  expect(Object.fromEntries(containers.map((one) => [one.name, shownOf(one)]))).toEqual(
    Object.fromEntries(model.containers),
  );
  const { groups } = await room.api.listGroups({ pageSize: 1_000 });
  expect(Object.fromEntries(groups.map((one) => [one.name, one.containers]))).toEqual(
    Object.fromEntries(model.groups),
  );
  for (const tap of taps) tap.requireSound();
}

/** What the first watcher must know, once all has arrived. */
export function expectFullView(
  tap: WatchTap,
  containers: readonly Container[],
  groups: readonly Group[],
  toText: (container: Container) => string,
): void {
  const living = containers.filter(({ state }) => state !== stateOf("REMOVED"));
  const texts = [
    ...living.map((one) => [one.name, toText(one)] as const),
    ...groups.map((one) => [one.name, JSON.stringify(toJson(GroupSchema, one))] as const),
  ];
  expect(Object.fromEntries(tap.seen)).toEqual(Object.fromEntries(texts));
}

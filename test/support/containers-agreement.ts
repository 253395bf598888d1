/** Whether the API and the model of containers agree. */
import { expect } from "@jest/globals";
import { toJson } from "@bufbuild/protobuf";
import { type Container, Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { type Group, GroupSchema } from "../../src/gen/p2prc/client/v1/group_pb.js";
import type { Real } from "./command-parts.js";
import type { ContainersModel, ModelContainer } from "./containers-model.js";
import type { WatchTap } from "./watch-tap.js";

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
  const living = containers.filter(({ state }) => state !== Container_State.REMOVED);
  const texts = [
    ...living.map((one) => [one.name, toText(one)] as const),
    ...groups.map((one) => [one.name, JSON.stringify(toJson(GroupSchema, one))] as const),
  ];
  expect(Object.fromEntries(tap.seen)).toEqual(Object.fromEntries(texts));
}

/** What the commands of the model of containers have in common. */
import { expect } from "@jest/globals";
import { ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import type { Answer, ContainersModel, CreateFault, RemoveFault } from "./containers-model.js";
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
export const command = (what: string, values: unknown, run: Run): Command => ({
  check: () => true,
  run,
  toString: () => `${what} ${JSON.stringify(values)}`,
});

/** Picks out of what there is: shrinks to the first. */
export const pick = fc.nat({ max: 11 });
export const node = fc.nat({ max: 2 });
export const fewTimes = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
export const requestId = fc.constantFrom("", "", "r1", "r2");
export const etags = fc.constantFrom("none", "none", "current", "stale");

export const nameOf = (model: ContainersModel, index: number): string => {
  const names = [...model.containers.keys(), "nodes/45.0.0.1:8088/containers/nobody"];
  return names[index % names.length] ?? "";
};
/** Mostly those that may be members. */
export const memberOf = (model: ContainersModel, index: number): string => {
  const tracked = [...model.containers.keys()].filter((name) => model.isTracked(name));
  return tracked.length === 0 || index === 11
    ? nameOf(model, index)
    : (tracked[index % tracked.length] ?? "");
};
export const groupOf = (model: ContainersModel, index: number): string => {
  const names = [...model.groups.keys(), "groups/grp-nobody"];
  return names[index % names.length] ?? "";
};

/** What a call came to, as the model has it. */
export async function answerOf<T>(
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

export function expectAnswer(real: Answer, expected: Answer): void {
  expect(real).toMatchObject(expected);
}

/** Faults last for one command. */
export async function withFaults<T>(
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

/** An etag of a kind, and whether a change that carries it goes through. */
export async function etagOf(
  kind: string,
  current: () => Promise<string>,
): Promise<{ readonly etag: string; readonly isStale: boolean }> {
  if (kind === "none") return { etag: "", isStale: false };
  const etag = await current().catch(() => "");
  return kind === "stale" || etag === "" ? { etag: '"stale"', isStale: true } : { etag, isStale: false };
}

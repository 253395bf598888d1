import { addressKey } from "../../peer-api/address.js";
import type { RemoveAnswer } from "../../peer-api/contract.js";
import type { Clock } from "../../system/clock.js";
import type { NodeDirectory, RemoveResult } from "../contract.js";
import { ContainerError } from "../errors.js";
import type { TypedContainer } from "../names.js";
import type { ContainerRecord } from "../records.js";
import { showTombstone } from "../show.js";
import type { NodeCalls } from "./node-calls.js";

export interface UntrackedDeps {
  readonly directory: NodeDirectory;
  readonly calls: NodeCalls;
  readonly clock: Clock;
}

/** Calls the node for a container that is not tracked, as the original client does, and tells what it said. */
export async function removeUntracked(
  { directory, calls, clock }: UntrackedDeps,
  name: string,
  typed: TypedContainer,
): Promise<RemoveResult> {
  const { host, port } = typed;
  const node = port === undefined ? (host.includes(":") ? `[${host}]` : host) : addressKey({ host, port });
  const reach = await directory.locate(node, "operator");
  const unknown = (cause?: unknown): ContainerError =>
    new ContainerError("REMOVE_OUTCOME_UNKNOWN", "the removal was sent, and no readable answer came", {
      metadata: { container: name },
      cause,
    });
  let answer: RemoveAnswer;
  try {
    answer = await calls.remove(reach, typed.id);
  } catch (error) {
    throw (error as { wasSent?: unknown }).wasSent === false ? error : unknown(error);
  }
  if (answer.kind === "removed" && !isConfirmation(answer)) throw unknown();
  if (answer.kind === "refused") {
    throw new ContainerError("REMOVE_FAILED", "the node did not remove the container, which is not tracked", {
      metadata: { container: name, http_status: String(answer.httpStatus) },
    });
  }
  const nowMs = clock.nowMs();
  const container = showTombstone({
    container: { ...untrackedRecord, address: reach.address, id: typed.id, createTimeMs: nowMs },
    groups: [],
    reason: "NODE_CONFIRMED",
    removeTimeMs: nowMs,
  });
  return { container, nodeMessage: answer.message };
}

/** What every version says. A page with status 200, as a proxy shows it, is none. */
export const isConfirmation = ({ message }: RemoveAnswer): boolean =>
  message.trim().toLowerCase() === "success";

const untrackedRecord: Omit<ContainerRecord, "address" | "id" | "createTimeMs"> = {
  isAsTyped: true,
  spec: { portCount: 0, gpu: false, image: "", baseImage: "", sshPublicKey: "", labels: [] },
  state: "TRACKED",
  reason: "",
  ports: [],
  sshUsername: "",
  isReachable: true,
  lastSeenTimeMs: null,
};

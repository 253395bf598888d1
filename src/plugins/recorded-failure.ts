/** A target's failure in a form that can be kept: what it was, without its cause. */
import { ContainerError, type ContainerReason } from "../containers/errors.js";
import { PeerError, type PeerFailure } from "../peer-api/errors.js";
import { PluginError, type PluginReason } from "./errors.js";

export interface RecordedFailure {
  readonly room: "plugins" | "containers" | "peer-api" | "unknown";
  readonly reason: string;
  readonly message: string;
}

export function recordFailure(error: unknown): RecordedFailure {
  if (error instanceof PluginError) return { room: "plugins", reason: error.reason, message: error.message };
  if (error instanceof ContainerError)
    return { room: "containers", reason: error.reason, message: error.message };
  if (error instanceof PeerError) return { room: "peer-api", reason: error.failure, message: error.message };
  return { room: "unknown", reason: "", message: "" };
}

/** Makes the error that was recorded. */
export function errorOf({ room, reason, message }: RecordedFailure): Error {
  switch (room) {
    case "plugins":
      return new PluginError(reason as PluginReason, message);
    case "containers":
      return new ContainerError(reason as ContainerReason, message);
    case "peer-api":
      return new PeerError(reason as PeerFailure, message);
    case "unknown":
      return new Error("a failure of the gateway");
  }
}

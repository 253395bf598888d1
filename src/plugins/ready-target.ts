import type { ContainerPort } from "../peer-api/contract.js";
import type { InventoryHost } from "./inventory.js";

/** A target that can be logged in to. */
export interface ReadyTarget {
  readonly container: string;
  readonly ports: readonly ContainerPort[];
  /** Its alias is given by the batch. */
  readonly login: Omit<InventoryHost, "alias">;
}

/** What came of one target. */
export interface TargetOutcome {
  readonly container: string;
  readonly ports: readonly ContainerPort[];
  /** Absent = it went well. */
  readonly error: Error | undefined;
  readonly elapsedMs: number;
  /** Whether something was changed on it: its ports may be in use. */
  readonly hasChanged: boolean;
}

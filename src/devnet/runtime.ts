/** What a node's container routes need of Docker: simulated, or a real engine. */

import type { Generation, VmRecord } from "./docker-vm.js";
import { DevnetError } from "./errors.js";
import type { StartOrder } from "./start-query.js";

export interface Container {
  readonly vm: VmRecord;
  /** `created`: Docker made it and could not start it. `exited`: the machine was off since. */
  readonly state: "running" | "created" | "exited";
  /** When it was made: ISO 8601, UTC. */
  readonly createdAt: string;
}

export interface Runtime {
  /** Oldest first. */
  readonly containers: readonly Container[];
  /**
   * Resolves once its ports listen, or once Docker has failed to start what it made.
   *
   * @param id what the container gets as its id @default one of its own
   * @throws {BuildError} the base image cannot be built upon
   * @throws {DevnetError} nothing was made: a port cannot be bound, or the engine is gone
   */
  create(order: StartOrder, id?: string): Promise<Container>;
  /** Resolves once its ports are free. @returns false if there is no such container */
  remove(id: string): Promise<boolean>;
  /** Closes the ports of all containers, which stay, as a machine that is switched off. */
  halt(): Promise<void>;
  /** Removes every container, also those that are being made. */
  close(): Promise<void>;
}

/** What every kind of runtime knows of its node. */
export interface RuntimeOptions {
  readonly host: string;
  readonly generation: Generation;
  /** Reached through an FRP proxy: ports are others outside than inside. */
  readonly isProxied: boolean;
  readonly sshDelayMs: number;
}

/** Docker cannot build upon the base image that was asked for. */
export class BuildError extends DevnetError {}

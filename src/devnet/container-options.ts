/** How a devnet's containers behave, completed and checked. */

import { type CheckedDockerOptions, checkDockerOptions, type DockerOptions } from "./docker-options.js";
import { generationNames, type GenerationName } from "./docker-vm.js";
import { DevnetError } from "./errors.js";

/** Plain values only, as all options of a devnet. */
export interface ContainerOptions {
  /**
   * Whether the ports of containers are open: SSH with a banner, the others with HTTP. Without, a container takes no
   * socket and its ports lead nowhere. @default true
   */
  readonly listens?: boolean | undefined;
  /** How long a new container hangs up on SSH before it sends a banner, in milliseconds, 0..600000. @default 0 */
  readonly sshDelayMs?: number | undefined;
  /** How long a node builds before the container exists, in milliseconds, 0..600000. @default 0 */
  readonly createDelayMs?: number | undefined;
  /** How long a removal takes before the container is gone, in milliseconds, 0..600000. @default 0 */
  readonly removeDelayMs?: number | undefined;
  /**
   * How much of a reply leaves a node whose fault cuts it, status line and headers included, 0..1000000000.
   * @default half of it
   */
  readonly replyCutAfterBytes?: number | undefined;
  /** The id that nodes with the fault `fixed-id-create` give every container. @default "sameForAllOfTheirNodes" */
  readonly fixedId?: string | undefined;
  /**
   * Which containers the nodes spell, dealt to them by position, again and again.
   * @default those of the day that a node's dialect begins; two dialects are older than the first one
   */
  readonly generations?: readonly GenerationName[] | undefined;
  /** A Docker Engine that runs the containers for real. @default they are simulated */
  readonly docker?: DockerOptions | undefined;
}

export interface CheckedContainerOptions {
  readonly listens: boolean;
  readonly sshDelayMs: number;
  readonly createDelayMs: number;
  readonly removeDelayMs: number;
  readonly replyCutAfterBytes: number | undefined;
  readonly fixedId: string;
  readonly generations: readonly GenerationName[] | undefined;
  readonly docker: CheckedDockerOptions | undefined;
}

/** @throws {DevnetError} an option is out of its range */
export function checkContainerOptions(options: ContainerOptions): CheckedContainerOptions {
  if (options.docker !== undefined && options.listens === false)
    throw new DevnetError("containers listens false: those of a Docker Engine always listen");
  return {
    listens: options.listens ?? true,
    sshDelayMs: whole("sshDelayMs", options.sshDelayMs ?? 0, 600_000),
    createDelayMs: whole("createDelayMs", options.createDelayMs ?? 0, 600_000),
    removeDelayMs: whole("removeDelayMs", options.removeDelayMs ?? 0, 600_000),
    replyCutAfterBytes:
      options.replyCutAfterBytes === undefined
        ? undefined
        : whole("replyCutAfterBytes", options.replyCutAfterBytes, 1_000_000_000),
    fixedId: options.fixedId ?? "sameForAllOfTheirNodes",
    generations: checkGenerations(options.generations),
    docker: options.docker === undefined ? undefined : checkDockerOptions(options.docker),
  };
}

function whole(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new DevnetError(`containers ${name} ${value}: not a whole number from 0 to ${most}`);
}

function checkGenerations(names: ContainerOptions["generations"]): ContainerOptions["generations"] {
  if (names === undefined) return undefined;
  if (names.length === 0) throw new DevnetError("containers generations: at least one is needed");
  const unknown = names.find((name) => !generationNames.includes(name));
  if (unknown !== undefined)
    throw new DevnetError(`containers generation ${unknown}: none of ${generationNames.join(", ")}`);
  return names;
}

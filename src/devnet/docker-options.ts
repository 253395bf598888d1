/** Which Docker Engine runs a devnet's containers. */

import { isAbsolute } from "node:path";
import { DevnetError } from "./errors.js";

/** Plain values only, as all options of a devnet. */
export interface DockerOptions {
  /** Socket of the engine: an absolute path. @default "/var/run/docker.sock" */
  readonly socketPath?: string | undefined;
  /** Image of every container that asks for no base image: Debian with an SSH server. @default "p2prc-devnet-base" */
  readonly image?: string | undefined;
}

export interface CheckedDockerOptions {
  readonly socketPath: string;
  readonly image: string;
}

/** @throws {DevnetError} a text is none of its kind */
export function checkDockerOptions({ socketPath, image }: DockerOptions): CheckedDockerOptions {
  const checked = {
    socketPath: socketPath ?? "/var/run/docker.sock",
    image: image ?? "p2prc-devnet-base",
  };
  if (!isAbsolute(checked.socketPath))
    throw new DevnetError(`docker socketPath ${checked.socketPath}: not an absolute path`);
  if (!/^[a-z0-9][a-z0-9._/:@-]{0,254}$/.test(checked.image))
    throw new DevnetError(`docker image ${checked.image}: not the name of an image`);
  return checked;
}

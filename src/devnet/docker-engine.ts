/** A Docker Engine, as far as a devnet needs it. The only file that knows dockerode. */

import type Docker from "dockerode";
import type { CheckedDockerOptions } from "./docker-options.js";
import { DevnetError } from "./errors.js";
import { BuildError } from "./runtime.js";

/** A container that the engine is to make. */
export interface EngineContainer {
  /** Empty = the engine finds one. */
  readonly name: string;
  /** Empty = the devnet's own. */
  readonly image: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Address on which its ports are published. */
  readonly host: string;
  readonly ports: readonly { readonly internal: number; readonly external: number }[];
  readonly wantsGpu: boolean;
}

/** All that can go wrong is a DevnetError. */
export interface DockerEngine {
  /** @returns the engine's id of it. @throws {BuildError} it has no such image */
  create(container: EngineContainer): Promise<string>;
  /** @returns whether it runs; `portTaken` = somebody else has one of its ports */
  start(engineId: string): Promise<"running" | "failed" | "portTaken">;
  /** Ends its processes; it stays. */
  kill(engineId: string): Promise<void>;
  /** Removes it, whatever it does. @returns false if the engine has none of this id */
  remove(engineId: string): Promise<boolean>;
}

/** Of each call to the engine. */
const callTimeoutMs = 60_000;

/** @throws {DevnetError} nobody answers at the socket, or the engine lacks the image */
export async function openDockerEngine({ socketPath, image }: CheckedDockerOptions): Promise<DockerEngine> {
  // Not before it is needed: every other use of the program starts without it.
  const { default: Engine } = await import("dockerode");
  const engine = new Engine({ socketPath, timeout: callTimeoutMs });
  await engine.ping().catch((cause: unknown) => {
    throw new DevnetError(`no Docker Engine answers at ${socketPath}: ${textOf(cause)}`, { cause });
  });
  await engine
    .getImage(image)
    .inspect()
    .catch((cause: unknown) => {
      const advice = statusOf(cause) === 404 ? "scripts/with-docker-engine.sh makes one" : textOf(cause);
      throw new DevnetError(`the Docker Engine has no image ${image}: ${advice}`, { cause });
    });
  return {
    create: async (container) => {
      const asked = createOptionsOf(container, image);
      const { id } = await engine.createContainer(asked).catch((cause: unknown) => {
        if (statusOf(cause) === 404) throw new BuildError(`no image ${container.image}`, { cause });
        throw failed("make", cause);
      });
      return id;
    },
    start: async (engineId) => {
      try {
        await engine.getContainer(engineId).start();
        return "running";
      } catch (cause) {
        if (statusOf(cause) === undefined) throw failed("start", cause);
        return /port is already allocated|address already in use/.test(textOf(cause))
          ? "portTaken"
          : "failed";
      }
    },
    kill: async (engineId) => {
      await engine
        .getContainer(engineId)
        .kill()
        .catch((cause: unknown) => {
          if (!isGone(cause)) throw failed("end", cause);
        });
    },
    remove: async (engineId) => {
      try {
        await engine.getContainer(engineId).remove({ force: true, v: true });
        return true;
      } catch (cause) {
        if (isGone(cause)) return false;
        throw failed("remove", cause);
      }
    },
  };
}

function createOptionsOf(
  { name, image, command, labels, host, ports, wantsGpu }: EngineContainer,
  ownImage: string,
): Docker.ContainerCreateOptions {
  const portName = (internal: number): string => `${internal}/tcp`;
  return {
    ...(name === "" ? {} : { name }),
    Image: image === "" ? ownImage : image,
    Cmd: [...command],
    Labels: { ...labels },
    ExposedPorts: Object.fromEntries(ports.map(({ internal }) => [portName(internal), {}])),
    HostConfig: {
      PortBindings: Object.fromEntries(
        ports.map(({ internal, external }) => [
          portName(internal),
          [{ HostIp: host, HostPort: String(external) }],
        ]),
      ),
      // What `docker run --gpus all` asks for.
      ...(wantsGpu ? { DeviceRequests: [{ Count: -1, Capabilities: [["gpu"]] }] } : {}),
    },
  };
}

/** 409: its removal goes on already, or it does not run. */
const isGone = (error: unknown): boolean => [404, 409].includes(statusOf(error) ?? 0);

/** Absent = the engine did not answer. */
const statusOf = (error: unknown): number | undefined =>
  (error as { readonly statusCode?: number }).statusCode;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const failed = (verb: string, cause: unknown): DevnetError =>
  new DevnetError(`the Docker Engine did not ${verb} a container: ${textOf(cause)}`, { cause });

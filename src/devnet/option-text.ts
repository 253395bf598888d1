/** Reads options as they are typed: `--nodes 40 --delay 20ms --seed 7 --faults refuse=2,hang=3`. */

import type { ContainerOptions, DevnetOptions, DockerOptions, Shape, SpeedTestFile } from "./contract.js";
import { dialectNames, type DialectName } from "./dialects.js";
import { type GenerationName, generationNames } from "./docker-vm.js";
import { DevnetError } from "./errors.js";
import { everyFault, faultNames, type FaultName, type FaultPlan } from "./faults.js";
import { checkOptions, shapes, speedTestFiles } from "./options.js";

/** One text per flag; a flag that was not given is undefined. */
export interface DevnetOptionText {
  /** @default 40, or more where so many faulty nodes would outnumber the healthy ones */
  readonly nodes?: string | undefined;
  readonly port?: string | undefined;
  /** `20ms`, `1.5s` or `0`. */
  readonly delay?: string | undefined;
  readonly seed?: string | undefined;
  /** `refuse=2,hang`, or `all` for one node of every fault; `all,hang=3` changes one of them. */
  readonly faults?: string | undefined;
  readonly shape?: string | undefined;
  readonly rows?: string | undefined;
  /** `2021-07,2026-01`. */
  readonly dialects?: string | undefined;
  readonly ledger?: string | undefined;
  readonly firstAddress?: string | undefined;
  /** How many nodes live on ::1; true, a flag without a number, means one. */
  readonly ipv6?: string | boolean | undefined;
  readonly sharedAddress?: string | undefined;
  /** Mbit/s of GET /50: `100`, or `100,10` for nodes by turns. */
  readonly bandwidth?: string | undefined;
  /** Mbit/s of GET /upload, likewise. */
  readonly upload?: string | undefined;
  readonly speedTestFile?: string | undefined;
  readonly victimNet?: string | undefined;
  readonly victimPort?: string | undefined;
  /** How late nodes with a slow fault answer: `5s`. */
  readonly slowDelay?: string | undefined;
  /** How long a node takes to map a port: `5s`. */
  readonly mapDelay?: string | undefined;
  /** `open` or `closed`. */
  readonly containerPorts?: string | undefined;
  readonly sshDelay?: string | undefined;
  readonly createDelay?: string | undefined;
  readonly removeDelay?: string | undefined;
  /** Bytes of a reply that is cut. */
  readonly cutAfter?: string | undefined;
  readonly fixedId?: string | undefined;
  /** `2021-04-10,2023-12`: which containers nodes spell, by turns. */
  readonly containerVersions?: string | undefined;
  /** `simulated` or `docker`. */
  readonly runtime?: string | undefined;
  /** Path of the engine's socket. */
  readonly dockerSocket?: string | undefined;
  readonly dockerImage?: string | undefined;
}

/**
 * Turns what was typed into options, checked as far as that goes without opening a socket.
 *
 * @throws {DevnetError} the message names the flag and the part of it that is wrong
 */
export function parseDevnetOptions(text: DevnetOptionText): DevnetOptions {
  const faults = ifGiven(text.faults, readFaults);
  const options: DevnetOptions = {
    nodes: ifGiven(text.nodes, (nodes) => readWhole("--nodes", nodes)) ?? defaultNodes(faults),
    port: ifGiven(text.port, (port) => readWhole("--port", port)),
    delayMs: ifGiven(text.delay, (delay) => readDurationMs("--delay", delay)),
    seed: ifGiven(text.seed, (seed) => readWhole("--seed", seed)),
    faults,
    shape: ifGiven(text.shape, (shape) => readName<Shape>("--shape", shape, shapes)),
    rowsPerTable: ifGiven(text.rows, (rows) => readWhole("--rows", rows)),
    dialects: ifGiven(text.dialects, (list) =>
      list.split(",").map((name) => readName<DialectName>("--dialects", name.trim(), dialectNames)),
    ),
    ledgerPath: text.ledger,
    firstAddress: text.firstAddress,
    ipv6: typeof text.ipv6 === "string" ? readWhole("--ipv6", text.ipv6) : text.ipv6,
    sharedAddress: ifGiven(text.sharedAddress, (count) => readWhole("--shared-address", count)),
    bandwidthMbps: ifGiven(text.bandwidth, (rates) => readRates("--bandwidth", rates)),
    uploadMbps: ifGiven(text.upload, (rates) => readRates("--upload", rates)),
    speedTestFile: ifGiven(text.speedTestFile, (file) =>
      readName<SpeedTestFile>("--speed-test-file", file, speedTestFiles),
    ),
    victimNet: text.victimNet,
    victimPort: ifGiven(text.victimPort, (port) => readWhole("--victim-port", port)),
    slowDelayMs: ifGiven(text.slowDelay, (delay) => readDurationMs("--slow-delay", delay)),
    mapDelayMs: ifGiven(text.mapDelay, (delay) => readDurationMs("--map-delay", delay)),
    containers: readContainers(text),
  };
  checkOptions(options);
  return options;
}

function readContainers(text: DevnetOptionText): ContainerOptions {
  return {
    listens: ifGiven(
      text.containerPorts,
      (ports) => readName("--container-ports", ports, portStates) === "open",
    ),
    sshDelayMs: ifGiven(text.sshDelay, (delay) => readDurationMs("--ssh-delay", delay)),
    createDelayMs: ifGiven(text.createDelay, (delay) => readDurationMs("--create-delay", delay)),
    removeDelayMs: ifGiven(text.removeDelay, (delay) => readDurationMs("--remove-delay", delay)),
    replyCutAfterBytes: ifGiven(text.cutAfter, (bytes) => readWhole("--cut-after", bytes)),
    fixedId: text.fixedId,
    generations: ifGiven(text.containerVersions, (list) =>
      list
        .split(",")
        .map((name) => readName<GenerationName>("--container-versions", name.trim(), generationNames)),
    ),
    docker: readDocker(text),
  };
}

function readDocker({ runtime, dockerSocket, dockerImage }: DevnetOptionText): DockerOptions | undefined {
  const name = ifGiven(runtime, (typed) => readName("--runtime", typed, runtimeNames)) ?? "simulated";
  if (name === "docker") return { socketPath: dockerSocket, image: dockerImage };
  if (dockerSocket !== undefined) throw new DevnetError("--docker-socket goes with --runtime docker only");
  if (dockerImage !== undefined) throw new DevnetError("--docker-image goes with --runtime docker only");
  return undefined;
}

const runtimeNames = ["simulated", "docker"] as const;

const portStates = ["open", "closed"] as const;

function ifGiven<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined ? undefined : read(text);
}

function readWhole(flag: string, text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) throw new DevnetError(`${flag} "${text}": not a whole number`);
  return Number(text);
}

function readRates(flag: string, text: string): readonly number[] {
  return text.split(",").map((rate) => {
    if (!/^[0-9]{1,6}(\.[0-9]{1,6})?$/.test(rate.trim()))
      throw new DevnetError(`${flag} "${rate}": not a rate in Mbit/s such as 100 or 0.5`);
    return Number(rate);
  });
}

/** A network of its usual size, unless its faults alone would fill it. */
function defaultNodes(faults: FaultPlan = {}): number {
  const faulty = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return Math.max(40, faulty * 2);
}

function readDurationMs(flag: string, text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s)$/.exec(text);
  if (text === "0") return 0;
  if (match === null) throw new DevnetError(`${flag} "${text}": not a duration such as 20ms or 1.5s`);
  return Math.round(Number(match[1]) * (match[2] === "s" ? 1000 : 1));
}

function readName<Name extends string>(flag: string, text: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === text);
  if (found === undefined) throw new DevnetError(`${flag} "${text}": none of ${names.join(", ")}`);
  return found;
}

function readFaults(text: string): FaultPlan {
  const plan: Partial<Record<FaultName, number>> = {};
  for (const part of text.split(",").map((typed) => typed.trim())) {
    if (part === "all") {
      Object.assign(plan, everyFault);
      continue;
    }
    const [name = "", count = "1", ...rest] = part.split("=");
    if (rest.length > 0) throw new DevnetError(`--faults "${part}": not of the form NAME=COUNT`);
    plan[readName<FaultName>("--faults", name, faultNames)] = readWhole(`--faults ${name}=`, count);
  }
  return plan;
}

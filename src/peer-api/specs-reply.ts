/** The answer of /server_info, unchanged since 2021 but for its GPU. Source: shared protocol notes, "SysInfo". */
import type { Gpu, NodeSpecs } from "./contract.js";
import { PeerError } from "./errors.js";
import { fieldsOf, isJsonObject, parseJsonBody } from "./json-body.js";
import { cleanText } from "./text.js";

/**
 * Reads a node's specs. A body without the host name and platform that every version sends is no node's.
 *
 * @throws {PeerError} BAD_BODY
 */
export function parseSpecs(body: Buffer): NodeSpecs {
  const value = parseJsonBody(body);
  const read = isJsonObject(value) ? fieldsOf(value) : undefined;
  if (read === undefined || typeof read("Hostname") !== "string" || typeof read("Platform") !== "string") {
    throw new PeerError(
      "BAD_BODY",
      "the answer is not that of a P2PRC node: Hostname or Platform is missing",
    );
  }
  const gpu = parseGpu(read("GPU"));
  return {
    hostname: cleanText(read("Hostname")),
    platform: cleanText(read("Platform")),
    cpuModel: cleanText(read("CPU")),
    memoryMib: mebibytes(read("RAM")),
    diskMib: mebibytes(read("Disk")),
    gpus: gpu === undefined ? [] : [gpu],
  };
}

/** Where each number of a GPU stands in the answer: `"7 %"`, `"38 C"`, `"210 MHz"`. */
const gpuNumbers = {
  fanSpeedPercent: ["FanSpeed"],
  utilizationPercent: ["Utilization", "GpuUsage"],
  memoryUtilizationPercent: ["Utilization", "MemoryUsage"],
  temperatureCelsius: ["Temperature", "GpuTemp"],
  clockMhz: ["Clock", "GpuClock"],
  memoryClockMhz: ["Clock", "GpuMemClock"],
} as const satisfies Partial<Record<keyof Gpu, readonly string[]>>;

function parseGpu(value: unknown): Gpu | undefined {
  const card = at(value, ["Gpu"]);
  if (!isJsonObject(card)) return undefined;
  const numbers: Record<string, number> = {};
  for (const [field, path] of Object.entries(gpuNumbers)) {
    const number = leadingInteger(at(card, path));
    if (number !== undefined) numbers[field] = number;
  }
  return {
    model: cleanText(at(card, ["GpuName"])),
    driverVersion: cleanText(at(value, ["DriveVersion"])),
    biosVersion: cleanText(at(card, ["BiosVersion"])),
    ...numbers,
  };
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (isJsonObject(inner) ? fieldsOf(inner)(key) : undefined),
    value,
  );
}

function leadingInteger(value: unknown): number | undefined {
  const match = /^\s*(-?[0-9]{1,9})(?![0-9])/.exec(cleanText(value));
  return match === null ? undefined : Number(match[1]);
}

const mebibytes = (value: unknown): number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;

/** A base folder in which many containers are tracked, written through the store as a gateway writes them. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { keyOf, write } from "../src/containers/records.js";
import { addressKey } from "../src/peer-api/address.js";
import { parseDockerVm } from "../src/peer-api/docker-vm.js";
import type { JsonValue, StateStore } from "../src/store/contract.js";
import { openLmdbStore } from "../src/store/lmdb/lmdb-store.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";

/** Half of the containers are members of groups of so many. */
const membersPerGroup = 100;
/** Containers written by one commit. */
const batch = 200;
/** About the id of a group that callers made. */
const groupIdOf = (group: number): string => `grp00000000-0000-4000-8000-${String(group).padStart(12, "0")}`;
const idOf = (index: number): string => `tracked${String(index).padStart(15, "0")}`;
/** A hundred containers to a node. Nobody listens there. */
const addressOf = (index: number) => ({
  host: `127.8.${String((index >> 8) & 255)}.${String((index / 100) & 255)}`,
  port: 8088,
});

/** The name of one of them, by its number. */
export const trackedName = (index: number): string =>
  `nodes/${addressKey(addressOf(index))}/containers/${idOf(index)}`;

/** Where its gateway mirrors what is tracked. */
export const trackingPaths = (baseDir: string): readonly [containers: string, groups: string] => [
  join(baseDir, "client", "trackcontainers", "trackcontainers.json"),
  join(baseDir, "client", "trackcontainers", "grouptrackcontainer.json"),
];

/** Resolves once the tracking files have been there, and have not changed, for so long. */
export async function mirrorIsCurrent(baseDir: string, quietMs = 500): Promise<void> {
  let last = "";
  for (let sinceMs = performance.now(); performance.now() - sinceMs < quietMs; ) {
    const marks = await Promise.all(
      trackingPaths(baseDir).map((path) =>
        stat(path).then(
          ({ mtimeMs }) => String(mtimeMs),
          () => "none",
        ),
      ),
    );
    const mark = marks.join(" ");
    if (mark !== last || marks.includes("none")) sinceMs = performance.now();
    last = mark;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Tracked by a gateway that another one with many is compared with. */
export const fewTracked = 100;

/** Nobody looks whether the tracked containers, which lead nowhere, are there. */
export const unlooked = ["--look-interval", "0"];

/** Serves so many tracked containers. @param baseDir a folder of the caller's, which stays */
export async function serveTracked(containers: number, baseDir?: string): Promise<ServedGateway> {
  const gateway = await serveGateway({
    ...(baseDir === undefined ? {} : { baseDir }),
    prepare: (folder) => writeTracked(folder, containers),
    flags: unlooked,
  });
  await mirrorIsCurrent(gateway.baseDir);
  return gateway;
}

/** Fills the state of a base folder that no gateway serves. */
export async function writeTracked(baseDir: string, containers: number): Promise<void> {
  const folder = join(baseDir, ".p2prc", "state");
  await mkdir(folder, { recursive: true });
  const store = await openLmdbStore({ folder });
  try {
    for (let from = 0; from < containers; from += batch) {
      const until = Math.min(from + batch, containers);
      await commitContainers(store, from, until);
    }
  } finally {
    await store.close();
  }
}

async function commitContainers(store: StateStore, from: number, until: number): Promise<void> {
  const put = [];
  for (let index = from; index < until; index += 1) {
    const [address, id] = [addressOf(index), idOf(index)];
    const key = `${addressKey(address)}/${id}`;
    const dockerVm = describedBy(id, index);
    const described = parseDockerVm(dockerVm);
    put.push(
      {
        key: keyOf.container(key),
        value: write("container", {
          address,
          id,
          isAsTyped: false,
          spec: {
            portCount: 2,
            gpu: index % 4 === 0,
            image: "docker-ubuntu-sshd",
            baseImage: "",
            sshPublicKey: "",
            labels: [["role", index % 10 === 0 ? "render" : "worker"]],
          },
          state: "TRACKED",
          reason: "",
          ports: described?.ports ?? [],
          sshUsername: "root",
          createTimeMs: 1_760_000_000_000 + index,
          isReachable: true,
          lastSeenTimeMs: null,
        }),
      },
      {
        key: keyOf.secret(key),
        value: write("secret", { dockerVm: dockerVm as JsonValue, ipAddressText: "" }),
      },
    );
    const group = Math.floor(index / (2 * membersPerGroup));
    if (index % 2 === 1) continue;
    const groups = [{ id: groupIdOf(group), place: index % (2 * membersPerGroup) }];
    put.push({ key: keyOf.membership(key), value: write("membership", { address, id, groups }) });
  }
  for (
    let group = Math.floor(from / (2 * membersPerGroup));
    group * 2 * membersPerGroup < until;
    group += 1
  ) {
    const id = groupIdOf(group);
    const memberCount = Math.ceil(Math.min(until - group * 2 * membersPerGroup, 2 * membersPerGroup) / 2);
    const record = { id, createTimeMs: 1_760_000_000_000, memberCount, changeCount: 1 };
    put.push({ key: keyOf.group(id), value: write("group", record) });
  }
  await store.commit({ operationId: `fill/${String(from)}`, expect: [], put, delete: [] });
}

/** As today's nodes describe a container. */
function describedBy(id: string, index: number): Record<string, unknown> {
  const port = (name: string, inside: number, outside: number) => ({
    PortName: name,
    InternalPort: inside,
    Type: "tcp",
    ExternalPort: outside,
    IsUsed: true,
    Description: `${name} Port`,
  });
  const first = 20_000 + ((index * 3) % 40_000);
  return {
    SSHUsername: "root",
    SSHPublicKey:
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEbench0000000000000000000000000000000000000000 bench\n",
    ID: id,
    TagName: `8a1d6f1e-2b3c-4d5e-8f90-${String(index).padStart(12, "0")}_p2p-ubuntu`,
    ImagePath: "/tmp",
    Ports: { Port: [port("SSH", 22, first), port("web", 80, first + 1), port("metrics", 9090, first + 2)] },
    GPU: index % 4 === 0 ? "true" : "false",
    TempPath: "",
    BaseImage: "ubuntu:20.04",
    LogsPath: "/tmp/",
    SSHCommand: "",
  };
}

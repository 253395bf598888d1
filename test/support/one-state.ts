import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import type { Devnet } from "../../src/devnet/contract.js";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { type Api, eventually } from "./container-bench.js";

interface Seat {
  readonly api: Api;
  readonly baseDir: string;
}

interface Shown {
  readonly containers: readonly string[];
  readonly groups: readonly string[];
}

/**
 * Holds every gateway and its files against the others and against what really runs: each container that a node made and
 * has not removed is tracked or of unknown outcome, nothing tracked is gone, members are tracked, files say the same.
 */
export async function requireOneState(seats: readonly Seat[], devnet: Devnet): Promise<void> {
  const [first] = seats;
  await eventually(async () => {
    const { containers } = await first!.api.listContainers({ pageSize: 1_000 });
    const unresolved = containers.filter(({ state, id }) => state === Container_State.UNKNOWN && id === "");
    const tracked = containers.filter(({ id }) => id !== "").map(({ node, id }) => `${node}/${id}`);
    const { creates } = devnet.ledger;
    const running = creates.flatMap(({ node, id, createdAt, removedAt }) =>
      createdAt !== undefined && removedAt === undefined ? [`nodes/${node}/${id ?? ""}`] : [],
    );
    const forgotten = running.filter((one) => !tracked.includes(one));
    expect(forgotten.length).toBeLessThanOrEqual(unresolved.length);
    const unconfirmed = containers.filter(({ state }) => state === Container_State.REMOVE_FAILED);
    const gone = tracked.filter((one) => !running.includes(one));
    expect(gone.length).toBeLessThanOrEqual(unconfirmed.length);
    const shown = await Promise.all(seats.map(({ api }) => shownBy(api)));
    const written = await Promise.all(seats.map(({ baseDir }) => writtenIn(baseDir)));
    const names = new Set(shown[0]!.containers);
    const strangers = shown[0]!.groups
      .flatMap((group) => group.split(" ").slice(1))
      .filter((id) => !names.has(id));
    expect(strangers).toEqual([]);
    for (const one of [...shown, ...written]) expect(one).toEqual(shown[0]);
  });
}

/** Tracked containers by address and id, groups with their members. */
async function shownBy(api: Api): Promise<Shown> {
  const { containers } = await api.listContainers({ pageSize: 1_000 });
  const { groups } = await api.listGroups({ pageSize: 1_000 });
  const plain = (name: string): string => name.replace(/^nodes\//, "").replace("/containers/", "/");
  return {
    containers: containers
      .filter(({ id }) => id !== "")
      .map(({ name }) => plain(name))
      .sort(),
    groups: groups.map(({ id, containers: members }) => [id, ...members.map(plain).sort()].join(" ")).sort(),
  };
}

interface Entry {
  readonly ID: string;
  readonly IpAddress: string;
}

/** A file that nothing was ever written into is not there. */
async function writtenIn(baseDir: string): Promise<Shown> {
  const read = async (name: string): Promise<unknown> => {
    const path = join(baseDir, "client/trackcontainers", name);
    return existsSync(path) ? JSON.parse(await readFile(path, "utf8")) : {};
  };
  const { TrackContainer: tracked = [] } = (await read("trackcontainers.json")) as {
    TrackContainer?: Entry[];
  };
  const { Groups: groups = [] } = (await read("grouptrackcontainer.json")) as {
    Groups?: { ID: string; TrackContainer: Entry[] | null }[];
  };
  const plain = ({ ID, IpAddress }: Entry): string => `${IpAddress}/${ID}`;
  return {
    containers: tracked.map(plain).sort(),
    groups: groups
      .map(({ ID, TrackContainer }) => [ID, ...(TrackContainer ?? []).map(plain).sort()].join(" "))
      .sort(),
  };
}

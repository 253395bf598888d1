/** The tracking files beside a real gateway: what it writes into them, and what others do. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { ContainerBench, at, eventually } from "../support/container-bench.js";

const bench = new ContainerBench();
afterEach(() => bench.release());

const folder = "client/trackcontainers";
const tracked = async (baseDir: string): Promise<{ TrackContainer: { ID: string; IpAddress: string }[] }> =>
  JSON.parse(await readFile(join(baseDir, folder, "trackcontainers.json"), "utf8")) as never;
const groups = async (
  baseDir: string,
): Promise<{ Groups: { ID: string; TrackContainer: { ID: string }[] | null }[] }> =>
  JSON.parse(await readFile(join(baseDir, folder, "grouptrackcontainer.json"), "utf8")) as never;

describe("the tracking files", () => {
  it("say what is tracked and grouped, and lose a container from both as it is removed", async () => {
    const { api, nodes, baseDir } = await bench.open();
    const [first, second] = await Promise.all(nodes.slice(0, 2).map((node) => api.createContainer(at(node))));
    const names = [first?.container?.name ?? "", second?.container?.name ?? ""];
    const { group } = await api.createGroup({ containers: names });
    const ids = [first?.container?.id ?? "", second?.container?.id ?? ""];
    await eventually(async () => {
      expect((await tracked(baseDir)).TrackContainer.map(({ ID }) => ID).sort()).toEqual([...ids].sort());
      expect(
        (await groups(baseDir)).Groups.map(({ ID, TrackContainer }) => [
          ID,
          TrackContainer?.map((one) => one.ID),
        ]),
      ).toEqual([[group?.id, ids]]);
    });
    await api.removeContainer({ container: names[0] ?? "" });
    await eventually(async () => {
      expect((await tracked(baseDir)).TrackContainer.map(({ ID }) => ID)).toEqual([ids[1]]);
      expect((await groups(baseDir)).Groups[0]?.TrackContainer?.map(({ ID }) => ID)).toEqual([ids[1]]);
    });
  });

  it("bring in what another program tracked before and while the gateway runs", async () => {
    const entry = (id: string, ip: string): object => ({
      ID: id,
      Container: { SSHUsername: "root", ID: id, Ports: { Port: null }, Mystery: { kept: [1, 2] } },
      IpAddress: ip,
    });
    const { api, baseDir } = await bench.open({
      prepare: async (base) => {
        await mkdir(join(base, folder), { recursive: true });
        await writeFile(
          join(base, folder, "trackcontainers.json"),
          JSON.stringify({ TrackContainer: [entry("early", "203.0.113.7"), entry("", "203.0.113.9:8088")] }),
        );
      },
    });
    const states = async (): Promise<string[]> =>
      (await api.listContainers({})).containers.map(
        ({ node, id, state }) => `${node} ${id} ${Container_State[state]}`,
      );
    expect(await states()).toEqual([
      "nodes/203.0.113.7:8088 early ACTIVE",
      "nodes/203.0.113.9:8088  UNKNOWN",
    ]);
    const path = join(baseDir, folder, "trackcontainers.json");
    const text = JSON.parse(await readFile(path, "utf8")) as { TrackContainer: object[] };
    text.TrackContainer.push(entry("late", "203.0.113.8:8088"));
    await writeFile(path, JSON.stringify(text, null, "\t"));
    await eventually(async () => expect(await states()).toContain("nodes/203.0.113.8:8088 late ACTIVE"));
    expect(await readFile(path, "utf8")).toContain("Mystery");
  });

  it("are taken over whatever their size: what the state has no room for stays in them", async () => {
    const entry = (id: string, logsPath = ""): object => ({
      ID: id,
      Container: { ID: id, LogsPath: logsPath },
      IpAddress: "203.0.113.7:8088",
    });
    const many = Array.from({ length: 1_200 }, (_, index) =>
      entry(`many${String(index)}`, "x".repeat(2_000)),
    );
    const large = ["large1", "large2"].map((id) => entry(id, "x".repeat(3 * 1024 * 1024)));
    const wide = Array.from({ length: 20 }, (_, index) => entry(`wide${String(index)}`, "x".repeat(100_000)));
    const theirTracked = { TrackContainer: [...large, ...wide, ...many, entry("", "x".repeat(200_000))] };
    const theirGroups = {
      Groups: [
        { ID: "grpLarge", TrackContainer: [large[0], wide[0]] },
        { ID: "grpMany", TrackContainer: many },
        { ID: "none of ours", TrackContainer: [] },
      ],
    };
    const { api, baseDir } = await bench.open({
      prepare: async (base) => {
        await mkdir(join(base, folder), { recursive: true });
        await writeFile(join(base, folder, "trackcontainers.json"), JSON.stringify(theirTracked));
        await writeFile(join(base, folder, "grouptrackcontainer.json"), JSON.stringify(theirGroups));
      },
    });
    const { groups: shown } = await api.listGroups({});
    expect(shown.map(({ id, containerCount }) => [id, containerCount])).toEqual([
      ["grpLarge", 1],
      ["grpMany", 1_000],
    ]);
    await expect(
      api.getContainer({ container: "nodes/203.0.113.7:8088/containers/wide19" }),
    ).resolves.toBeDefined();
    // A change of ours makes both files be written anew.
    const { group } = await api.createGroup({});
    await eventually(async () => expect((await groups(baseDir)).Groups.at(-1)?.ID).toBe(group?.id));
    expect(await tracked(baseDir)).toEqual(theirTracked);
    expect((await groups(baseDir)).Groups.slice(0, -1)).toEqual(theirGroups.Groups);
  });

  it("that cannot be read at the first start make the gateway read only, until the loss is accepted", async () => {
    const damage = async (base: string): Promise<void> => {
      await mkdir(join(base, folder), { recursive: true });
      await writeFile(join(base, folder, "trackcontainers.json"), '{"TrackContainer":[{"ID":');
    };
    const { api, nodes } = await bench.open({ prepare: damage });
    await expect(api.createContainer(at(nodes[0] ?? ""))).rejects.toThrow("cannot be read");
    const accepting = await bench.open({ prepare: damage, flags: { acceptLoss: true } });
    await expect(accepting.api.createContainer(at(accepting.nodes[0] ?? ""))).resolves.toBeDefined();
  });
});

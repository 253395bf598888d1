/** Lists of containers and groups over the wire: pages, filters, orders, and what they say of a mistake. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Code } from "@connectrpc/connect";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { ContainerBench, failureOf, type OpenBench } from "../support/container-bench.js";
import { importedName, importedNode, writeTrackingFiles } from "../support/tracked-files.js";

const benches = new ContainerBench();
let bench: OpenBench;
const count = 60;
const all = Array.from({ length: count }, (_, n) => importedName(n));

beforeAll(async () => {
  bench = await benches.open({
    devnet: { nodes: 1 },
    prepare: (base) => writeTrackingFiles(base, count, [0, 1, 2, 3, 4]),
  });
});
afterAll(() => benches.release());

interface Asked {
  readonly pageSize?: number;
  readonly filter?: string;
  readonly orderBy?: string;
  readonly showRemoved?: boolean;
}

/** Goes through all pages. @param between what happens after each of them */
async function namesOf(asked: Asked, between = (): Promise<void> => Promise.resolve()): Promise<string[]> {
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await bench.api.listContainers({ ...asked, pageToken });
    expect(page.containers.length).toBeLessThanOrEqual(asked.pageSize ?? 100);
    expect(page.revision).not.toBe("");
    names.push(...page.containers.map(({ name }) => name));
    pageToken = page.nextPageToken;
    await between();
  } while (pageToken !== "");
  return names;
}

describe("pages", () => {
  it("hold everything once, in order, whatever their size", async () => {
    for (const pageSize of [1, 7, 60, 61, 1_000, 2_000_000]) expect(await namesOf({ pageSize })).toEqual(all);
    expect(await namesOf({})).toEqual(all);
    expect((await bench.api.listContainers({ pageSize: 60 })).nextPageToken).toBe("");
  });

  it("go on behind the last entry shown, whatever comes and goes meanwhile", async () => {
    const own = await benches.open({ devnet: { nodes: 1 }, prepare: (base) => writeTrackingFiles(base, 30) });
    const gone = [4, 5, 10, 11, 12, 20].map(importedName);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await own.api.listContainers({
        pageSize: 5,
        pageToken,
      });
      seen.push(...page.containers.map(({ name }) => name));
      pageToken = page.nextPageToken;
      // What was shown last goes too, and with it the place where the next page began.
      const next = gone.shift();
      if (next !== undefined) await own.api.removeContainer({ container: next, forgetOnly: true });
    } while (pageToken !== "");
    expect(new Set(seen).size).toBe(seen.length);
    const left = (await own.api.listContainers({})).containers.map(({ name }) => name);
    expect(seen).toEqual(expect.arrayContaining(left));
    expect(seen).toEqual([...seen].sort());
  });

  it("of another list, another filter or another hand are refused", async () => {
    const { nextPageToken } = await bench.api.listContainers({ pageSize: 5 });
    const calls = [
      bench.api.listContainers({ pageToken: nextPageToken, filter: "state = ACTIVE" }),
      bench.api.listContainers({ pageToken: nextPageToken, orderBy: "id" }),
      bench.api.listContainers({ pageToken: nextPageToken, showRemoved: true }),
      bench.api.listContainers({ pageToken: `${nextPageToken}!` }),
      bench.api.listContainers({ pageToken: "nonsense" }),
      bench.api.listGroups({ pageToken: nextPageToken }),
    ];
    for (const call of calls) {
      expect(await failureOf(call)).toMatchObject({
        code: Code.InvalidArgument,
        reason: "INVALID_PAGE_TOKEN",
        fields: ["page_token"],
      });
    }
  });

  it("of a size below 0 are refused", async () => {
    for (const call of [bench.api.listContainers({ pageSize: -1 }), bench.api.listGroups({ pageSize: -1 })])
      expect(await failureOf(call)).toMatchObject({ reason: "INVALID_REQUEST", fields: ["page_size"] });
  });
});

describe("filters and orders", () => {
  it("pick and sort", async () => {
    const reversed = [...all].reverse();
    expect(await namesOf({ orderBy: "id desc", pageSize: 13 })).toEqual(reversed);
    expect(await namesOf({ orderBy: "name desc" })).toEqual(reversed);
    // What is equal in the order asked for is sorted by name.
    expect(await namesOf({ orderBy: "node, state desc", pageSize: 7 })).toEqual(all);
    expect(await namesOf({ filter: 'id = "imported-0007" OR id = "imported-0042"' })).toEqual([
      all[7],
      all[42],
    ]);
    expect(await namesOf({ filter: `node = "${importedNode}" AND groups:"grp4"` })).toEqual(all.slice(0, 4));
    expect(await namesOf({ filter: "state = UNKNOWN" })).toEqual([]);
    const { groups } = await bench.api.listGroups({
      filter: "container_count >= 2",
      orderBy: "container_count desc",
    });
    expect(groups.map(({ containerCount }) => containerCount)).toEqual([4, 3, 2]);
    expect(
      (await bench.api.listGroups({ filter: `containers:"${all[3] ?? ""}"` })).groups.map(({ id }) => id),
    ).toEqual(["grp4"]);
  });

  it("page through groups as through containers", async () => {
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await bench.api.listGroups({ pageSize: 2, pageToken, orderBy: "container_count desc" });
      ids.push(...page.groups.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual(["grp4", "grp3", "grp2", "grp1", "grp0"]);
  });

  it.each([
    ["zap = 1", "1"],
    ["state = ACTIVE AND zap = 1", "20"],
    ["state = NONSENSE", "9"],
    ["spec.gpu = maybe", "12"],
    ["spec.port_count > many", "19"],
    ["(state = ACTIVE", "16"],
    ["state ACTIVE", "1"],
    ['id = "imported', "15"],
  ])("name the column of what is wrong with %s", async (filter, column) => {
    const watched = async (): Promise<void> => {
      for await (const _ of bench.api.watch({ containerFilter: filter }));
    };
    for (const [call, field] of [
      [bench.api.listContainers({ filter }), "filter"],
      [watched(), "container_filter"],
    ] as const) {
      const failure = await failureOf(call);
      expect(failure).toMatchObject({
        code: Code.InvalidArgument,
        reason: "INVALID_FILTER",
        fields: [field],
      });
      expect(failure.metadata["column"]).toBe(column);
    }
  });

  it.each([
    ["zap", "1"],
    ["id, zap desc", "5"],
    ["id sideways", "4"],
    ["id,", "4"],
  ])("name the column of what is wrong with the order %s", async (orderBy, column) => {
    for (const call of [bench.api.listContainers({ orderBy }), bench.api.listGroups({ orderBy })]) {
      expect(await failureOf(call)).toMatchObject({
        code: Code.InvalidArgument,
        reason: "INVALID_ORDER_BY",
        fields: ["order_by"],
        metadata: { column },
      });
    }
  });

  it("name the column of what is wrong with a filter of groups", async () => {
    const watched = async (): Promise<void> => {
      for await (const _ of bench.api.watch({ groupFilter: "zap = 1" }));
    };
    expect(await failureOf(bench.api.listGroups({ filter: "zap = 1" }))).toMatchObject({
      fields: ["filter"],
    });
    expect(await failureOf(watched())).toMatchObject({ reason: "INVALID_FILTER", fields: ["group_filter"] });
  });
});

describe("what was removed", () => {
  it("is listed for those who ask, told as it was", async () => {
    const { api } = await benches.open({
      devnet: { nodes: 1 },
      prepare: (base) => writeTrackingFiles(base, 2, [0, 1]),
    });
    const name = importedName(1);
    await api.addContainersToGroup({ group: "grp1", containers: [name] });
    await api.removeContainer({ container: name, forgetOnly: true });
    expect((await api.listContainers({})).containers.map((one) => one.name)).toEqual([importedName(0)]);
    const { containers } = await api.listContainers({ showRemoved: true, filter: "state = REMOVED" });
    expect(containers).toMatchObject([
      { name, state: Container_State.REMOVED, stateReason: "FORGOTTEN", groups: ["groups/grp1"] },
    ]);
    expect(containers[0]?.removeTime).toBeDefined();
    expect((await api.getContainer({ container: name })).container).toEqual(containers[0]);
    expect((await api.getGroup({ group: "grp1" })).containers).toHaveLength(1);
  });
});

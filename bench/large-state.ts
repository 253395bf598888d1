/** A gateway that tracks many containers: what pages of them cost, how soon it serves again, what a foreign edit holds up. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Container_State } from "../src/gen/p2prc/client/v1/container_pb.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";
import {
  fewTracked,
  mirrorIsCurrent,
  serveTracked,
  trackedName,
  trackingPaths,
  unlooked,
} from "./tracked-folder.js";

const pageSize = 100;

/** Filter and order of a page: the first may stop early, the others look at every container. */
const pages = {
  "filtered page": { filter: 'spec.gpu = false AND spec.labels.role = "worker"', orderBy: "" },
  "filter that none passes": { filter: 'spec.labels.role = "nothing"', orderBy: "" },
  "filtered page, by time": { filter: "spec.gpu = false", orderBy: "create_time desc" },
} as const;
type PageName = keyof typeof pages;
const pageNames = Object.keys(pages) as PageName[];

export async function benchContainerList(many: number, calls: number): Promise<BenchRow[]> {
  const small = await serveTracked(fewTracked);
  const large = await serveTracked(many);
  try {
    const rows: BenchRow[] = [];
    for (const name of pageNames) {
      const [smallMs, largeMs]: [number[], number[]] = [[], []];
      for (let call = -5; call < calls; call += 1) {
        const times = [await timePage(small, name), await timePage(large, name)] as const;
        // The first calls warm up.
        if (call < 0) continue;
        smallMs.push(times[0]);
        largeMs.push(times[1]);
      }
      const against = `the same of ${fewTracked}`;
      const target = name === "filtered page" ? "value <= 50 ms" : "(looks at all)";
      rows.push(
        rowOf({ name: `${name} of ${many} containers`, unit: "ms", against, target }, largeMs, smallMs),
      );
    }
    return rows;
  } finally {
    await small.close();
    await large.close();
  }
}

async function timePage({ client }: ServedGateway, name: PageName): Promise<number> {
  const startMs = performance.now();
  await client.listContainers({ pageSize, ...pages[name] });
  return performance.now() - startMs;
}

/**
 * From the start of the process until a page of containers is answered, after the one before was closed and after it was
 * killed (changes then wait for a look at the tracking files), and what it weighs once the mirror is at rest.
 */
export async function benchRestart(many: number, runs: number): Promise<BenchRow[]> {
  const baseDir = await mkdtemp(join(tmpdir(), "p2prc-bench-"));
  const [few, all] = [newStarts(), newStarts()];
  try {
    const first = await serveTracked(many, baseDir);
    await first.close();
    const small = await mkdtemp(join(tmpdir(), "p2prc-bench-"));
    await (await serveTracked(fewTracked, small)).close();
    for (let run = 0; run < runs; run += 1) {
      await measureRestarts(small, few);
      await measureRestarts(baseDir, all);
    }
    await rm(small, { recursive: true });
  } finally {
    await rm(baseDir, { recursive: true });
  }
  const name = `restart with ${many} containers`;
  const against = `with ${fewTracked}`;
  const rowOfStarts = (
    what: string,
    unit: BenchRow["unit"],
    target: string,
    of: (starts: Starts) => number[],
  ): BenchRow => rowOf({ name: `${name}${what}`, unit, against, target }, of(all), of(few));
  return [
    rowOfStarts(" until it serves", "ms", "value <= 3000 ms", ({ closedMs }) => closedMs),
    rowOfStarts(" until it serves, after a kill", "ms", "value <= 3000 ms", ({ killedMs }) => killedMs),
    rowOfStarts(" until the first change, after a kill", "ms", "(stated)", ({ changedMs }) => changedMs),
    rowOfStarts(": resident, mirror on", "MiB", "(stated)", ({ rssMib }) => rssMib),
  ];
}

interface Starts {
  readonly closedMs: number[];
  readonly killedMs: number[];
  readonly changedMs: number[];
  readonly rssMib: number[];
}
const newStarts = (): Starts => ({ closedMs: [], killedMs: [], changedMs: [], rssMib: [] });

async function measureRestarts(
  baseDir: string,
  { closedMs, killedMs, changedMs, rssMib }: Starts,
): Promise<void> {
  const first = await serveTimed(baseDir, closedMs);
  await mirrorIsCurrent(baseDir);
  rssMib.push(await first.rssMib());
  await first.kill();
  const startMs = performance.now();
  const second = await serveTimed(baseDir, killedMs);
  await second.client.createGroup({});
  changedMs.push(performance.now() - startMs);
  await mirrorIsCurrent(baseDir);
  await second.close();
}

async function serveTimed(baseDir: string, timesMs: number[]): Promise<ServedGateway> {
  const startMs = performance.now();
  const gateway = await serveGateway({ baseDir, flags: unlooked });
  await gateway.client.listContainers({ pageSize });
  timesMs.push(performance.now() - startMs);
  return gateway;
}

/** Another program rewrites a tracking file; absences count once we have held an entry for so long. */
const holdMs = 5_500;
/** Large files are written at a pace: one that has not changed for so long says all there is. */
const settledMs = 3_000;

export async function benchForeignEdits(many: number, runs: number): Promise<BenchRow[]> {
  const gateway = await serveTracked(many);
  const [containersPath, groupsPath] = trackingPaths(gateway.baseDir);
  const found = { tracked: newFindings(), groups: newFindings() };
  try {
    for (let run = 0; run < runs; run += 1) {
      const container = trackedName(run * 2);
      await pause(holdMs);
      await edit(gateway, groupsPath, "Groups", found.groups, container, async () => {
        const { container: shown } = await gateway.client.getContainer({ container });
        return shown?.groups.length === 0;
      });
      await mirrorIsCurrent(gateway.baseDir, settledMs);
      await pause(holdMs);
      await edit(gateway, containersPath, "TrackContainer", found.tracked, container, async () => {
        const { container: shown } = await gateway.client.getContainer({ container });
        return shown?.state === Container_State.REMOVED;
      });
      await mirrorIsCurrent(gateway.baseDir, settledMs);
    }
  } finally {
    await gateway.close();
  }
  return (["tracked", "groups"] as const).flatMap((file) => {
    const name = `another program's edit of the ${file} file, of ${many}`;
    const { stallMs, slowestMs, takenMs } = found[file];
    const limits = stallMs.map(() => 50);
    return [
      rowOf(
        { name: `${name}: longest stall`, unit: "ms", against: "50 ms", target: "<= 1" },
        stallMs,
        limits,
      ),
      rowOf(
        { name: `${name}: slowest request`, unit: "ms", against: "50 ms", target: "<= 1" },
        slowestMs,
        limits,
      ),
      rowOf(
        { name: `${name}: until it is taken over`, unit: "ms", against: "50 ms", target: "(stated)" },
        takenMs,
        limits,
      ),
    ];
  });
}

const newFindings = () => ({ stallMs: [] as number[], slowestMs: [] as number[], takenMs: [] as number[] });

/** Takes a container out of a file, and asks until the gateway shows it gone. */
async function edit(
  gateway: ServedGateway,
  path: string,
  listKey: "TrackContainer" | "Groups",
  found: ReturnType<typeof newFindings>,
  container: string,
  isTaken: () => Promise<boolean>,
): Promise<void> {
  const document = JSON.parse(await readFile(path, "utf8")) as Record<string, readonly Entry[]>;
  const id = container.slice(container.lastIndexOf("/") + 1);
  const without = (list: readonly Entry[]): readonly Entry[] => list.filter(({ ID }) => ID !== id);
  const list = document[listKey] ?? [];
  document[listKey] =
    listKey === "Groups"
      ? list.map((group) => ({ ...group, TrackContainer: without(group.TrackContainer ?? []) }))
      : without(list);
  const text = JSON.stringify(document, null, listKey === "Groups" ? " " : "\t");
  await gateway.longestStallMs();
  await writeFile(path, text);
  const startMs = performance.now();
  let slowestMs = 0;
  for (let isOver = false; !isOver; ) {
    const askedMs = performance.now();
    isOver = await isTaken();
    slowestMs = Math.max(slowestMs, performance.now() - askedMs);
    await pause(5);
  }
  found.takenMs.push(performance.now() - startMs);
  found.slowestMs.push(slowestMs);
  await mirrorIsCurrent(gateway.baseDir, settledMs);
  found.stallMs.push(await gateway.longestStallMs());
}

interface Entry {
  readonly ID: string;
  readonly TrackContainer?: readonly Entry[] | null;
}

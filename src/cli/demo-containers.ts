/** The second half of the demo: containers on three nodes, a group of them, and a watch that sees it all. */
import type { DevnetNode, DevnetView } from "../devnet/contract.js";
import type { WatchResponse } from "../gen/p2prc/client/v1/watch_pb.js";
import { changeLines } from "./container-text.js";
import { addressOf } from "./crawl-text.js";
import {
  type ContainerStory,
  isEndOf,
  judgeContainers,
  judgeTrackingFiles,
} from "./demo-container-verdict.js";
import { showLogins } from "./demo-logins.js";
import { OutcomeError } from "./errors.js";
import { listAllContainers, openContainers } from "./list-containers.js";
import { plainText } from "./plain-text.js";
import { printContainers } from "./print-containers.js";
import type { GatewayClient } from "./session.js";
import type { Surroundings, TextSink } from "./surroundings.js";
import {
  awaitTrackingFiles,
  type TrackingFile,
  type TrackingFiles,
  type TrackingPaths,
} from "./tracking-files.js";

/** It takes a fraction of a second, or some where a Docker Engine does the work. */
const storyTimeoutMs = { simulated: 10_000, docker: 60_000 } as const;
/** The files follow within a fraction of a second, too; how long a slow disk is waited for. */
const filesTimeoutMs = 10_000;

/** What the gateway has in its base folder. */
export interface DemoFiles extends TrackingPaths {
  /** The gateway's key; absent = containers are simulated, and nobody can log in. */
  readonly privateKeyPath?: string;
}

/**
 * Starts containers on three nodes, groups them, removes one, and compares what was promised with what was seen.
 *
 * @param nearest names of the nodes, nearest first
 * @throws {OutcomeError} something was not as it should be
 */
export async function showContainers(
  client: GatewayClient,
  devnet: Pick<DevnetView, "nodes">,
  nearest: readonly string[],
  files: DemoFiles,
  surroundings: Surroundings,
): Promise<void> {
  const { signal } = surroundings;
  const { stdout } = surroundings.output;
  const { privateKeyPath } = files;
  const isReal = privateKeyPath !== undefined;
  const nodes = pickNodes(devnet.nodes, nearest, isReal ? firstWithKeys : firstComplete);
  if (nodes.length < 3) throw new OutcomeError("the demo went wrong: fewer than three nodes run containers");
  stdout.write("\nthree containers, a group of them, one removed; the lines are those of a watch:\n");
  const timeoutMs = storyTimeoutMs[isReal ? "docker" : "simulated"];
  const story = await tellStory(
    client,
    nodes,
    stdout,
    AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  );
  stdout.write("\n");
  printContainers(stdout, story.listed);
  stdout.write("\nhow to log in:\n");
  for (const { access } of await openContainers(client, story.listed, signal))
    stdout.write(`  ${plainText(access.sshCommand)}\n`);
  const isRight = (written: TrackingFiles): boolean => judgeTrackingFiles(written, story).length === 0;
  if (isReal) await showLogins(client, story.listed, privateKeyPath, surroundings);
  const seen = await awaitTrackingFiles(files, isRight, { timeoutMs: filesTimeoutMs, signal });
  for (const file of [seen.tracked, seen.groups]) if (file !== undefined) showFile(stdout, file);
  const complaints = [...judgeContainers(story), ...judgeTrackingFiles(seen, story)];
  if (complaints.length > 0) throw new OutcomeError(`the demo went wrong: ${complaints.join("; ")}`);
}

/** The oldest versions cannot remove a container, or run none at all: the API was complete by July 2021. */
const firstComplete = "2021-07";
/** Before, users had a password, which a demo cannot type. */
const firstWithKeys = "2023-12";

/** The nearest healthy nodes, if possible of three different versions. @param since the oldest version */
function pickNodes(
  nodes: readonly DevnetNode[],
  nearest: readonly string[],
  since: string,
): readonly string[] {
  const versionOf = new Map(
    nodes
      .filter(({ fault, dialect }) => fault === undefined && dialect !== "foreign" && dialect >= since)
      .map(({ address, dialect }) => [address, dialect]),
  );
  const able = nearest.filter((name) => versionOf.has(addressOf(name)));
  const isFirstOfVersion = (name: string, index: number): boolean =>
    able.findIndex((other) => versionOf.get(addressOf(other)) === versionOf.get(addressOf(name))) === index;
  const varied = able.filter(isFirstOfVersion);
  return [...new Set([...varied, ...able])].slice(0, 3);
}

async function tellStory(
  client: GatewayClient,
  nodes: readonly string[],
  stdout: TextSink,
  signal: AbortSignal,
): Promise<ContainerStory> {
  const leaving = new AbortController();
  const inTime = { signal: AbortSignal.any([signal, leaving.signal]) };
  // From here on nothing is missed, however late the stream begins.
  const { revision } = await client.listContainers({ pageSize: 1 }, inTime);
  const watched: WatchResponse[] = [];
  let last = "";
  const watching = (async () => {
    for await (const message of client.watch({ startRevision: revision }, inTime)) {
      watched.push(message);
      for (const line of changeLines(message)) stdout.write(`  ${line}\n`);
      if (message.changes.some((change) => isEndOf(change, last))) return;
    }
  })();
  // What it has not seen is found missing.
  const watchIsOver = watching.catch(() => undefined);
  try {
    const spec = { portCount: 1, labels: { role: "demo" } };
    const answers = await Promise.all(
      nodes.map((node) => client.createContainer({ placement: { case: "node", value: node }, spec }, inTime)),
    );
    const created = answers.flatMap(({ container }) => (container === undefined ? [] : [container]));
    const { group } = await client.createGroup({ containers: created.map(({ name }) => name) }, inTime);
    if (group === undefined) throw new OutcomeError("the demo went wrong: no group was answered");
    last = created[0]?.name ?? "";
    await client.removeContainer({ container: last }, inTime);
    await watchIsOver;
    const listed = await listAllContainers(client, {}, signal);
    const { group: groupInTheEnd } = await client.getGroup({ group: group.name }, { signal });
    return { created, group, watched, listed, groupInTheEnd };
  } finally {
    leaving.abort();
  }
}

/** Which containers a file holds; it holds passwords, too. */
function showFile(stdout: TextSink, { path, ids }: TrackingFile): void {
  stdout.write(`\n${path}:\n`);
  for (const [name, members] of Object.entries(ids))
    stdout.write(`  ${[plainText(name), members.map(plainText).join(", ")].filter(Boolean).join(": ")}\n`);
}

/** The files that other programs read beside us: which containers and groups they hold. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface TrackingPaths {
  readonly trackContainersPath: string;
  readonly groupTrackContainersPath: string;
}

/** What one of the files holds. */
export interface TrackingFile {
  readonly path: string;
  /** Ids of containers; of the file of groups, by the id of the group. */
  readonly ids: Readonly<Record<string, readonly string[]>>;
}

export interface TrackingFiles {
  /** Its ids stand under the empty name. Absent = there is no such file. */
  readonly tracked: TrackingFile | undefined;
  readonly groups: TrackingFile | undefined;
}

interface Entry {
  readonly ID: string;
}
type List<T> = readonly T[] | null | undefined;

/**
 * Reads them until they are as they should be, or the time is over: they are written behind the calls.
 *
 * @throws {SyntaxError} a file is there and is no JSON
 */
export async function awaitTrackingFiles(
  paths: TrackingPaths,
  isRight: (files: TrackingFiles) => boolean,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<TrackingFiles> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const files = { tracked: await readTracked(paths), groups: await readGroups(paths) };
    if (isRight(files) || performance.now() > deadlineMs) return files;
    await delay(50, undefined, { signal });
  }
}

async function readTracked({ trackContainersPath: path }: TrackingPaths): Promise<TrackingFile | undefined> {
  const content = (await readJson(path)) as { readonly TrackContainer?: List<Entry> } | undefined;
  return content === undefined ? undefined : { path, ids: { "": idsOf(content.TrackContainer) } };
}

async function readGroups({ groupTrackContainersPath }: TrackingPaths): Promise<TrackingFile | undefined> {
  // The documentation of the original and its code spell the name differently.
  const names = ["grouptrackcontainer.json", "grouptrackcontainers.json"];
  const folder = dirname(groupTrackContainersPath);
  for (const path of [groupTrackContainersPath, ...names.map((name) => join(folder, name))]) {
    const content = (await readJson(path)) as
      | { readonly Groups?: List<Entry & { readonly TrackContainer?: List<Entry> }> }
      | undefined;
    if (content === undefined) continue;
    const groups = (content.Groups ?? []).map(({ ID, TrackContainer }) => [ID, idsOf(TrackContainer)]);
    return { path, ids: Object.fromEntries(groups) as TrackingFile["ids"] };
  }
  return undefined;
}

/** @returns undefined if there is no such file */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const idsOf = (entries: List<Entry>): readonly string[] => (entries ?? []).map(({ ID }) => ID);

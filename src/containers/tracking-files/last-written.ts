/** Our own file beside the tracking files: what they held last, so that the next start knows who changed what. No secrets. */
import type { HeldEntry, Removal } from "../../store/mirror/merge-keys.js";
import type { Slices } from "../../store/mirror/slices.js";
import type { Held, HeldEntries, Removals } from "./foreign-changes.js";

export interface LastWritten {
  /** Of the store that the files were mirrored from. */
  readonly lineage: string;
  /** Which of its names the group file had. */
  readonly groupsPath: string;
  readonly held: Held;
  readonly removals: Removals;
}

const version = 1;
const kinds = ["containers", "groups", "members"] as const;
type Kind = (typeof kinds)[number];
type Line =
  | readonly ["held", Kind, string, string, number, number, string?]
  | readonly ["removed", Kind, string, string, number];

export const nothingHeld: Held = { containers: new Map(), groups: new Map(), members: new Map() };
export const nothingRemoved: Removals = nothingHeld as unknown as Removals;

/** Spells it in pieces: a head, then one line for each entry. */
export async function* formatLastWritten(last: ToBeKnown, slices: Slices): AsyncGenerator<string> {
  const { lineage, groupsPath } = last;
  let piece = JSON.stringify({ version, lineage, groupsPath });
  for (const line of linesOf(last)) {
    piece += `\n${JSON.stringify(line)}`;
    if (slices.isOver) await slices.rest();
    if (piece.length < 128 * 1024) continue;
    yield piece;
    piece = "";
  }
  yield `${piece}\n`;
}

type ToBeKnown = Omit<LastWritten, "held"> & { readonly held: HeldEntries };

function* linesOf({ held, removals }: ToBeKnown): Generator<Line> {
  for (const kind of kinds) {
    for (const [key, { fingerprint, sinceMs, textSinceMs, previous }] of held[kind]) {
      const line = ["held", kind, key, fingerprint, sinceMs, textSinceMs] as const;
      yield previous === undefined ? line : [...line, previous];
    }
    for (const [key, { fingerprint, atMs }] of removals[kind])
      yield ["removed", kind, key, fingerprint, atMs];
  }
}

/** @returns undefined if it is none of ours, or damaged: the files are then imported anew */
export async function parseLastWritten(bytes: Buffer, slices: Slices): Promise<LastWritten | undefined> {
  const lines = linesIn(bytes);
  try {
    const {
      version: found,
      lineage,
      groupsPath,
    } = JSON.parse(lines.next().value ?? "") as Record<string, unknown>;
    if (found !== version || typeof lineage !== "string" || typeof groupsPath !== "string") return undefined;
    const held = { containers: new Map(), groups: new Map(), members: new Map() } as Record<
      Kind,
      Map<string, HeldEntry>
    >;
    const removals = { containers: new Map(), groups: new Map(), members: new Map() } as Record<
      Kind,
      Map<string, Removal>
    >;
    for (const text of lines) {
      const line = JSON.parse(text) as Line;
      if (line[0] === "held") held[line[1]].set(line[2], heldOf(line));
      else removals[line[1]].set(line[2], { fingerprint: line[3], atMs: line[4] });
      if (slices.isOver) await slices.rest();
    }
    return { lineage, groupsPath, held, removals };
  } catch {
    return undefined;
  }
}

/** One by one: a hundred thousand at once would take a while. */
function* linesIn(bytes: Buffer): Generator<string, undefined, undefined> {
  for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
    const found = bytes.indexOf("\n", start);
    end = found === -1 ? bytes.length : found;
    if (end > start) yield bytes.toString("utf8", start, end);
  }
}

function heldOf([, , , fingerprint, sinceMs, textSinceMs, previous]: Extract<
  Line,
  readonly ["held", ...unknown[]]
>): HeldEntry {
  const times = { fingerprint, sinceMs, textSinceMs };
  return previous === undefined ? times : { ...times, previous };
}

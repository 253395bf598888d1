/**
 * Places where a crash must lose nothing. Closed: a sweep kills at each of them, and one that never comes up fails it.
 *
 * @see test/support/crash/targets.ts
 */
export const failpointNames = [
  /** Nothing is written down yet. */
  "create.checked",
  /** The intent is on the disk. */
  "create.begun",
  /** The call to the node begins. */
  "create.asking",
  /** The node's reply is read. */
  "create.answered",
  /** The local journal has the id. */
  "create.seen",
  /** The state has the container, and the local journal still has it too. */
  "create.settled",
  "create.tracked",
  "create.refused",
  "create.unanswered",
  /** Tracked, and about to be removed: its caller left, and nobody else can know it. */
  "create.abandoned",
  /** Removed again after an error of the node; the answer to the request id is not written down yet. */
  "create.rolledBack",
  /** REMOVING is on the disk. */
  "remove.begun",
  /** The node's reply is read. */
  "remove.answered",
  "remove.untracked",
  /** REMOVE_FAILED is on the disk: the node said so, or nothing readable came. */
  "remove.refused",
  "remove.unanswered",
  "remove.forgotten",
  /** An intent of unknown outcome is closed. */
  "remove.closed",
  /** A commit is asked for. */
  "commit.asked",
  /** In the transaction, before its checks. */
  "commit.checking",
  /** In the transaction, records and log written. */
  "commit.written",
  /** On the disk; nobody is told yet. */
  "commit.flushed",
  /** All of a group are answered; readers of the log are not woken yet. */
  "commit.grouped",
  /** These three are the way to a Redis. The command is about to leave. */
  "commit.leaving",
  /** The command leaves in this turn of the event loop, and no reply is read before the next one. */
  "commit.sent",
  /** The reply is read; nobody is told yet. */
  "commit.replied",
  /** The view shows it; its caller is not told yet. */
  "commit.shown",
  /** A line is in the local journal, and not on the disk yet. */
  "journal.written",
  /** These five have the path as subject. The temporary file is there, without text. */
  "replace.opened",
  /** The text is written, not synced. */
  "replace.filled",
  /** The temporary file is on the disk. */
  "replace.synced",
  /** Renamed; the folder is not synced. */
  "replace.renamed",
  "replace.settled",
  /** What others wrote is in the state and known as merged. */
  "mirror.merged",
  /** Members that go have left the group file; the tracked file still has them. */
  "mirror.groupsLeft",
  "mirror.containersWritten",
  "mirror.groupsWritten",
  /** What a foreign file held has a second name; the file is not replaced yet. */
  "mirror.copied",
  "mirror.movedAside",
  /** The side file says what the files held. */
  "mirror.saved",
  /** The first import is in the state; the side file does not say so yet. */
  "import.first",
  /** What others took out of the files is out of the state. */
  "import.removals",
  "import.containers",
  "import.groups",
  /** What the local journal had left is in the state; the journal still has it. */
  "recovery.seen",
  "recovery.intents",
  "recovery.removals",
  /** Nothing is half-done any more; the files are not looked at yet. */
  "recovery.settled",
  /** Some of what the store had lost is back, and not all of it. */
  "rescue.begun",
] as const;
export type FailpointName = (typeof failpointNames)[number];

/**
 * Marks such a place. Calls are statements of their own: `scripts/strip-failpoints.mjs` takes them, and this file, out
 * of a release.
 *
 * @param subject which of several things it is about
 */
export function failpoint(name: FailpointName, subject = ""): void {
  const hook = globalThis as { p2prcFailpoint?: (name: FailpointName, subject: string) => void };
  hook.p2prcFailpoint?.(name, subject);
}

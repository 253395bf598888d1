import { playbookPort } from "./batches.js";
import type { EventDraft } from "./contract.js";
import { interrupted, PluginError } from "./errors.js";
import { errorOf } from "./recorded-failure.js";
import type { RunRecord } from "./run-journal.js";

/** Tells again what a run came to: its steps are not kept, its results are. */
export function replay({ begin, ends, end }: RunRecord): readonly EventDraft[] {
  const targets = begin.targets.map(({ container, ports }) => ({
    container,
    ports: ports.map(playbookPort),
  }));
  const results = begin.targets.map(({ container }) => {
    const ended = ends.get(container);
    const failure = ended?.failure === undefined ? undefined : errorOf(ended.failure);
    return {
      target: container,
      error: ended === undefined ? interrupted() : failure,
      elapsedMs: ended?.elapsedMs ?? 0,
    };
  });
  const failed = results.filter(({ error }) => error !== undefined);
  const notStarted = failed.filter(
    ({ error }) => error instanceof PluginError && error.reason === "TARGET_NOT_STARTED",
  );
  return [
    { kind: "started", container: "", run: begin.run, targets, isReplayed: true },
    ...results.map((result): EventDraft => ({ kind: "finished", container: result.target, result })),
    {
      kind: "summary",
      container: "",
      succeededCount: results.length - failed.length,
      failedCount: failed.length,
      notStartedCount: notStarted.length,
      elapsedMs: (end?.timeMs ?? begin.timeMs) - begin.timeMs,
      endReason: end?.reason ?? "INTERRUPTED",
    },
  ];
}

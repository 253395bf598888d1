import { renderPlaybook } from "./template.js";
import type { BatchOptions } from "./batch.js";
import type { RunnablePlugin } from "./plugin-folders.js";
import type { ReadyTarget } from "./ready-target.js";

/**
 * Deals targets out to runs of Ansible: one per distinct rendered playbook. With a limit of failures a batch is no larger
 * than what is worked on at once: inside one run of Ansible every target is begun.
 */
export function dealOut(
  { playbook }: Pick<RunnablePlugin, "playbook">,
  targets: readonly ReadyTarget[],
  policy: { readonly maxConcurrency: number; readonly maxFailureCount: number },
): readonly BatchOptions[] {
  const byPlaybook = new Map<string, ReadyTarget[]>();
  for (const target of targets) {
    const rendered = renderPlaybook(playbook, target.ports.map(playbookPort));
    const sharing = byPlaybook.get(rendered);
    if (sharing === undefined) byPlaybook.set(rendered, [target]);
    else sharing.push(target);
  }
  // The original runs it for one container at a time, which it calls host1.
  const isForOne = /\bhost1\b/.test(playbook);
  const most = isForOne ? 1 : policy.maxFailureCount > 0 ? policy.maxConcurrency : targets.length;
  const batches = [...byPlaybook].flatMap(([rendered, sharing]) =>
    inPieces(sharing, most).map((piece) => ({ playbook: rendered, targets: piece })),
  );
  return batches.map((batch, index) => ({ ...batch, number: index + 1 }));
}

/** What a playbook opens is inside; some old descriptions tell only the outside. */
export const playbookPort = ({
  internalPort,
  externalPort,
}: {
  readonly internalPort: number;
  readonly externalPort: number;
}): number => (internalPort === 0 ? externalPort : internalPort);

function inPieces<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  const pieces: T[][] = [];
  for (let index = 0; index < all.length; index += size) pieces.push(all.slice(index, index + size));
  return pieces;
}

/**
 * Works on batches while their targets together are no more than may be worked on at once. The first that throws aborts
 * the others' signal. When it settles, none is worked on.
 *
 * @returns those that were not begun @throws what the first one threw
 */
export async function workOff(
  batches: readonly BatchOptions[],
  maxConcurrency: number,
  work: (batch: BatchOptions, failed: AbortSignal) => Promise<void>,
  isStopped: () => boolean,
): Promise<readonly BatchOptions[]> {
  const running = new Set<Promise<void>>();
  const failed = new AbortController();
  try {
    return await workOn(batches, maxConcurrency, running, (batch) => work(batch, failed.signal), isStopped);
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(running);
    throw error;
  }
}

async function workOn(
  batches: readonly BatchOptions[],
  maxConcurrency: number,
  running: Set<Promise<void>>,
  work: (batch: BatchOptions) => Promise<void>,
  isStopped: () => boolean,
): Promise<readonly BatchOptions[]> {
  let free = maxConcurrency;
  for (const [index, batch] of batches.entries()) {
    const weight = Math.min(batch.targets.length, maxConcurrency);
    while (free < weight) await Promise.race(running);
    if (isStopped()) {
      await Promise.all(running);
      return batches.slice(index);
    }
    free -= weight;
    const working = work(batch).finally(() => {
      free += weight;
      running.delete(working);
    });
    running.add(working);
  }
  await Promise.all(running);
  return [];
}

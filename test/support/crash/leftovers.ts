/** What a process holds: after quiet it must be what it held before. */
export interface Leftovers {
  readonly sockets: number;
  readonly timers: number;
  /** After a collection of garbage; 0 = it cannot be asked for. */
  readonly heapBytes: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Looks in vain before what is left counts as left behind. */
const looks = 100;
const lookMs = 100;

/** What is held at most while nothing happens: timers of the mirror and of watchers come and go. */
export async function restOf(): Promise<Leftovers> {
  const held: Leftovers[] = [];
  for (let look = 0; look < 10; look += 1) {
    held.push(await once());
    await pause(lookMs);
  }
  const most = (of: (one: Leftovers) => number): number => Math.max(...held.map(of));
  return {
    sockets: most(({ sockets }) => sockets),
    timers: most(({ timers }) => timers),
    heapBytes: most(({ heapBytes }) => heapBytes),
  };
}

/** @param base waits until no more than this is held, for some seconds at most */
export async function leftoversOf(base: Leftovers): Promise<Leftovers> {
  let held = await once();
  for (let look = 0; look < looks; look += 1) {
    if (held.sockets <= base.sockets && held.timers <= base.timers) break;
    await pause(lookMs);
    held = await once();
  }
  return held;
}

async function once(): Promise<Leftovers> {
  await pause(0);
  const resources = process.getActiveResourcesInfo();
  const countOf = (pattern: RegExp): number => resources.filter((name) => pattern.test(name)).length;
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  return {
    sockets: countOf(/^(TCP|Pipe)(Socket|Connect|Server)?Wrap$/),
    timers: countOf(/^(Timeout|Immediate)$/),
    heapBytes: collect === undefined ? 0 : process.memoryUsage().heapUsed,
  };
}

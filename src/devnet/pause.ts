import { setTimeout as sleep } from "node:timers/promises";

/** Lets time pass. A closed devnet must not keep its process alive for work nobody waits for. */
export const pass = async (ms: number): Promise<void> => {
  if (ms > 0) await sleep(ms, undefined, { ref: false });
};

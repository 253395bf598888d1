/** How long work on a disk may take, and what becomes of what takes longer. */
import { afterEach, beforeEach, expect, it, jest } from "@jest/globals";
import { DiskTime, type Moves } from "../../../src/system/disk-time.js";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

interface Working {
  readonly work: Promise<string>;
  readonly end: () => void;
  readonly moves: Moves;
}

/** Work that ends when it is told to. */
function working(disk: DiskTime): Working {
  let end = (): void => undefined;
  let told: Moves = () => undefined;
  const work = disk.limit<string>((_, moves) => {
    told = moves;
    return new Promise((resolve) => (end = () => resolve("done")));
  });
  work.catch(() => undefined);
  return { work, end: () => end(), moves: (moreMs) => told(moreMs) };
}

it("goes on as long as it comes further, however long it takes", async () => {
  const { work, end, moves } = working(new DiskTime(1_000));
  for (let n = 0; n < 10; n += 1) {
    await jest.advanceTimersByTimeAsync(900);
    moves();
  }
  moves(5_000);
  await jest.advanceTimersByTimeAsync(5_900);
  end();
  expect(await work).toBe("done");
});

it("is given up when it stops to come further, and nothing else begins until it settles", async () => {
  const disk = new DiskTime(1_000);
  const { work, end, moves } = working(disk);
  moves();
  await jest.advanceTimersByTimeAsync(1_000);
  await expect(work).rejects.toMatchObject({ failure: "SILENT" });
  expect(disk.isHung).toBe(true);
  await expect(disk.limit(() => Promise.resolve())).rejects.toMatchObject({ failure: "SILENT" });
  // What it says from then on counts for nothing.
  moves();
  end();
  await jest.advanceTimersByTimeAsync(0);
  expect([disk.isHung, jest.getTimerCount()]).toEqual([false, 0]);
  expect(await disk.limit(() => Promise.resolve("next"))).toBe("next");
});

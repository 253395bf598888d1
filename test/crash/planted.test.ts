/** The checker of the crash proof must catch what it is there for: one bug after the other, planted from outside. */
import { describe, expect, it } from "@jest/globals";
import { crashBackends } from "../support/crash/backends.js";
import type { BugName } from "../support/crash/bugs.js";
import { plantedCases, violationsOf } from "../support/crash/planted.js";

const [backend] = crashBackends;

describe("the checker of the crash proof", () => {
  it.each(Object.keys(plantedCases) as BugName[])(
    "catches a gateway that %s",
    async (bug) => {
      const found = await violationsOf(bug, backend!);
      expect(found.map(({ invariant }) => invariant)).toContain(plantedCases[bug].catches);
    },
    180_000,
  );
});

/** The checker must catch bugs that only gateways with a shared state can have: one after the other, planted from outside. */
import { describe, expect, it } from "@jest/globals";
import type { FleetBugName } from "../support/crash/fleet/fleet-bugs.js";
import { fleetCases, fleetViolations } from "../support/crash/fleet/fleet-planted.js";

describe("the checker of the crash proof", () => {
  it.each(Object.keys(fleetCases) as FleetBugName[])(
    "catches gateways of which each %s",
    async (bug) => {
      const found = await fleetViolations(bug, bug);
      const { catches } = fleetCases[bug];
      expect(found.filter(({ invariant }) => catches.includes(invariant))).not.toEqual([]);
    },
    180_000,
  );
});

/** Loaded before a gateway of the test build (`node --import`): plants the bug that `P2PRC_TEST_BUG` names. */
import { register } from "node:module";
import { type FleetBugName, fleetBugs } from "./fleet-bugs.js";
import type { Planting } from "./plant-loader.js";

const { module, by } = fleetBugs[process.env["P2PRC_TEST_BUG"] as FleetBugName];
const data: Planting = {
  module: new URL(`../../../../src/${module}`, import.meta.url).href,
  by: new URL(`planted/${by}`, import.meta.url).href,
};
register("./plant-loader.js", { parentURL: import.meta.url, data });

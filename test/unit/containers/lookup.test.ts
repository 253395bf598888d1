import { afterEach, expect, it } from "@jest/globals";
import { findContainer } from "../../../src/containers/lookup.js";
import { aContainerRecord, openTracked, type Tracked } from "../../support/tracked.js";

let tracked: Tracked;
afterEach(() => tracked.close());

const at = (host: string, port: number, id: string) => aContainerRecord({ address: { host, port }, id });
const named = (host: string, id: string) =>
  findContainer(tracked.state, { host, port: undefined, id, isIntent: false })?.key;

it("finds a container by host and id where no port was typed", async () => {
  tracked = await openTracked();
  await tracked.track([
    at("45.0.0.1", 8088, "abc"),
    at("45.0.0.1", 9000, "xyz"),
    at("45.0.0.10", 8088, "ten"),
    at("45.0.0.10", 8088, "xyz"),
    at("2001:db8::1", 8088, "six"),
  ]);
  expect(named("45.0.0.1", "abc")).toBe("45.0.0.1:8088/abc");
  expect(named("45.0.0.1", "xyz")).toBe("45.0.0.1:9000/xyz");
  expect(named("2001:db8::1", "six")).toBe("[2001:db8::1]:8088/six");
  expect(named("45.0.0.1", "ten")).toBeUndefined();
  expect(named("45.0.0.2", "abc")).toBeUndefined();
});

it("says which nodes it may mean where several on one host have that id", async () => {
  tracked = await openTracked();
  await tracked.track([at("45.0.0.1", 8088, "abc"), at("45.0.0.1", 9000, "abc")]);
  expect(() => named("45.0.0.1", "abc")).toThrow("45.0.0.1:8088, 45.0.0.1:9000");
});

it("names the field that names several containers", async () => {
  tracked = await openTracked();
  await tracked.track([at("45.0.0.1", 8088, "abc"), at("45.0.0.1", 9000, "abc")]);
  const typed = { host: "45.0.0.1", port: undefined, id: "abc", isIntent: false };
  expect(() => findContainer(tracked.state, typed, "containers[3]")).toThrow(
    "containers[3] names one on each of several nodes: 45.0.0.1:8088, 45.0.0.1:9000",
  );
});

import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { nameOfKey } from "../../../../src/containers/names.js";
import { freePorts, takePorts } from "../../../../src/containers/ports/port-claims.js";
import { withPortsMarked } from "../../../../src/peer-api/docker-vm.js";
import { aContainerRecord, aPort, openTracked, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
beforeEach(async () => {
  tracked = await openTracked();
});
afterEach(() => tracked.close());

const free = (name: string, port: number) => ({ ...aPort(name, port), isUsed: false });
const ports = [free("SSH", 44_269), aPort("web", 80), free("a", 1), free("b", 2), free("c", 3)];

describe("ports for a plugin", () => {
  it("are the first that nothing runs on; SSH is never one of them", async () => {
    const [key = ""] = await tracked.track([aContainerRecord({ ports })]);
    const taken = await takePorts(tracked, nameOfKey(key), 2);
    expect(taken.map(({ name }) => name)).toEqual(["a", "b"]);
    const used = () => tracked.state.get("container", key)?.ports.filter(({ isUsed }) => isUsed);
    expect(used()?.map(({ name }) => name)).toEqual(["web", "a", "b"]);
    await freePorts(tracked, nameOfKey(key), taken.slice(0, 1));
    expect(used()?.map(({ name }) => name)).toEqual(["web", "b"]);
  });

  it("are only told, and not marked, where the call is only checked", async () => {
    const [key = ""] = await tracked.track([aContainerRecord({ ports })]);
    const told = await takePorts(tracked, nameOfKey(key), 1, true);
    expect(told.map(({ name }) => name)).toEqual(["a"]);
    expect(tracked.state.get("container", key)?.ports).toEqual(ports);
    await expect(takePorts(tracked, nameOfKey(key), 4, true)).rejects.toMatchObject({
      reason: "PORTS_EXHAUSTED",
    });
  });

  it("are taken all or none", async () => {
    const [key = ""] = await tracked.track([aContainerRecord({ ports })]);
    await expect(takePorts(tracked, nameOfKey(key), 4)).rejects.toMatchObject({ reason: "PORTS_EXHAUSTED" });
    expect((await takePorts(tracked, nameOfKey(key), 3)).length).toBe(3);
  });

  it("go to one of two who take them at the same time", async () => {
    const [key = ""] = await tracked.track([aContainerRecord({ ports })]);
    const taken = await Promise.all([
      takePorts(tracked, nameOfKey(key), 1),
      takePorts(tracked, nameOfKey(key), 1),
    ]);
    expect(
      taken
        .flat()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["a", "b"]);
  });

  it("are none of a container that is not tracked", async () => {
    const name = "nodes/45.0.0.1:8088/containers/gone";
    await expect(takePorts(tracked, name, 1)).rejects.toMatchObject({ reason: "CONTAINER_NOT_TRACKED" });
  });
});

describe("a node's description", () => {
  it("is marked where its port stands, and nothing else of it changes", () => {
    const vm = {
      id: "abc",
      __proto__x: 1,
      ports: {
        Other: 1,
        Port: [{ ExternalPort: 1, Type: "tcp", isused: false, X: 2 }, { ExternalPort: 2 }, null],
      },
    };
    const marked = withPortsMarked(vm, ({ externalPort }) => externalPort < 3, true);
    expect(JSON.stringify(marked)).toBe(
      JSON.stringify({
        id: "abc",
        __proto__x: 1,
        ports: {
          Other: 1,
          Port: [
            { ExternalPort: 1, Type: "tcp", isused: true, X: 2 },
            { ExternalPort: 2, IsUsed: true },
            null,
          ],
        },
      }),
    );
  });

  it.each([null, 7, {}, { Ports: null }, { Ports: { Port: null } }, { OpenPorts: [1] }])(
    "without named ports stays as it is: %j",
    (vm) => {
      expect(withPortsMarked(vm, () => true, true)).toEqual(vm);
    },
  );
});

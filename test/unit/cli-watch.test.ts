import { describe, expect, it } from "@jest/globals";
import { changeLines } from "../../src/cli/container-text.js";
import { printContainers, printGroups } from "../../src/cli/print-containers.js";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { Change_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { WrittenOutput } from "../support/cli.js";
import { aContainer, aGroup, message, noon, ofContainer, ofGroup } from "../support/container-messages.js";

const { ADDED, MODIFIED } = Change_Type;

describe("a change in words", () => {
  const abc = aContainer("abc");
  const name = "nodes/203.0.113.7:8088/containers/abc";

  it("is one line with time, type, name and state", () => {
    const failed = { state: Container_State.REMOVE_FAILED, stateReason: "REMOVE_OUTCOME_UNKNOWN" };
    const changes = message(
      ofContainer(ADDED, abc),
      ofContainer(
        MODIFIED,
        aContainer("abc", failed),
        aContainer("abc", { state: Container_State.REMOVING }),
      ),
      ofContainer(MODIFIED, aContainer("abc", { groups: ["groups/grp1"] }), abc),
    );
    expect(changeLines(changes)).toEqual([
      `12:00:01 ADDED container ${name} ACTIVE`,
      `12:00:01 MODIFIED container ${name} REMOVE_FAILED (REMOVE_OUTCOME_UNKNOWN), was REMOVING`,
      `12:00:01 MODIFIED container ${name} ACTIVE, +groups/grp1`,
    ]);
  });

  it("says of a group how many it has, who came and who left", () => {
    const [one, two] = [aGroup([abc]), aGroup([abc, aContainer("def")])];
    expect(changeLines(message(ofGroup(ADDED, one), ofGroup(MODIFIED, one, two)))).toEqual([
      "12:00:01 ADDED group groups/grp1 1 member",
      "12:00:01 MODIFIED group groups/grp1 1 member, -nodes/203.0.113.7:8088/containers/def",
    ]);
  });

  it("is nothing for a sign of life", () => {
    expect(changeLines(message())).toEqual([]);
  });

  it("lets no text of a node move the cursor, and survives what a later contract adds", () => {
    const hostile = aContainer("abc", {
      name: "a\u001b[2J\nb\u202ec",
      stateReason: "\u009b2J",
      state: 99 as never,
    });
    const lines = changeLines(message(ofContainer(99 as never, hostile), { type: ADDED }));
    expect(lines).toEqual([
      "12:00:01 TYPE_99 container a[2Jbc STATE_99 (2J)",
      "12:00:01 ADDED something that this version does not know",
    ]);
  });
});

describe("the lists for people", () => {
  it("have one line for each container and group", () => {
    const output = new WrittenOutput();
    const ports = [22, 38121, 1, 2, 3].map((externalPort) => ({ name: "P\u001b[2J", externalPort }));
    printContainers(output.stdout, [aContainer("abc", { ports, groups: ["groups/grp1"], createTime: noon })]);
    printGroups(output.stdout, [aGroup([aContainer("abc")])]);
    const lines = output.out.trimEnd().split("\n");
    expect(lines).toEqual([
      expect.stringMatching(/^CONTAINER +STATE +REASON +PORTS +GROUPS +CREATED$/),
      expect.stringMatching(
        /^nodes\/203\.0\.113\.7:8088\/containers\/abc +ACTIVE +P\[2J 22, .* 2, 1 more +1 +2026-01-3\dT[0-9:]{8}Z$/,
      ),
      expect.stringMatching(/^GROUP +MEMBERS +CREATED$/),
      expect.stringMatching(/^grp1 +1$/),
    ]);
  });
});

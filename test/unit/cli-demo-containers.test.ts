import { describe, expect, it } from "@jest/globals";
import {
  type ContainerStory,
  judgeContainers,
  judgeTrackingFiles,
} from "../../src/cli/demo-container-verdict.js";
import { type Container, Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { Change_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { aContainer, aGroup, message, ofContainer, ofGroup } from "../support/container-messages.js";

const { ADDED, MODIFIED, REMOVED } = Change_Type;

describe("the verdict on the containers of a demo", () => {
  const [first, second, third] = ["abc", "def", "ghi"].map((id) => aContainer(id)) as [
    Container,
    Container,
    Container,
  ];
  const created = [first, second, third];
  const [whole, rest] = [aGroup(created), aGroup([second, third])];
  const leaving = message(ofContainer(REMOVED, first), ofGroup(MODIFIED, rest, whole));
  const coming = [...created.map((one) => message(ofContainer(ADDED, one))), message(ofGroup(ADDED, whole))];

  const story = (change: Partial<ContainerStory> = {}): ContainerStory => ({
    created,
    group: whole,
    watched: [...coming, leaving],
    listed: [second, third],
    groupInTheEnd: rest,
    ...change,
  });

  it("has no complaint when all came, and the one that was removed left with its group", () => {
    expect(judgeContainers(story())).toEqual([]);
  });

  it.each([
    [
      "a container that the watch did not see",
      { watched: [...coming.slice(1), leaving] },
      "did not see .*abc come",
    ],
    [
      "a group that the watch did not see",
      { watched: [...coming.slice(0, 3), leaving] },
      "did not see the group",
    ],
    [
      "a removal in two messages",
      {
        watched: [...coming, message(ofContainer(REMOVED, first)), message(ofGroup(MODIFIED, rest, whole))],
      },
      "did not see .*abc leave with its group in one message",
    ],
    ["a removal that the watch did not see", { watched: coming }, "abc leave with its group"],
    ["a container that stayed", { listed: created }, "^tracked in the end: .*abc"],
    ["a container that was lost", { listed: [second] }, "^tracked in the end: "],
    ["a member that stayed", { groupInTheEnd: whole }, "^members in the end: .*abc"],
    ["a group that is gone", { groupInTheEnd: undefined }, "^members in the end: none in place of "],
    [
      "a container that does not run",
      { listed: [second, aContainer("ghi", { state: Container_State.UNREACHABLE })] },
      "ghi is UNREACHABLE$",
    ],
  ])("complains of %s", (_, change, complaint) => {
    expect(judgeContainers(story(change))).toEqual([expect.stringMatching(complaint)]);
  });

  it("judges the tracking files, and misses those that are not there", () => {
    const tracked = { path: "t.json", ids: { "": ["def", "ghi"] } };
    const groups = { path: "g.json", ids: { grp1: ["ghi", "def"] } };
    const none = { tracked: undefined, groups: undefined };
    expect(judgeTrackingFiles({ tracked, groups }, story())).toEqual([]);
    expect(judgeTrackingFiles(none, story())).toEqual([
      "there is no file of tracked containers",
      "there is no file of groups",
    ]);
    const stale = {
      tracked: { ...tracked, ids: { "": ["abc", "def", "ghi"] } },
      groups: { ...groups, ids: {} },
    };
    expect(judgeTrackingFiles(stale, story())).toEqual([
      "t.json: abc, def, ghi in place of def, ghi",
      "g.json: none in place of def, ghi",
    ]);
  });
});

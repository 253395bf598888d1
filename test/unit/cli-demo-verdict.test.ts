import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "@jest/globals";
import { judgeDemo, type DemoOutcome } from "../../src/cli/demo-verdict.js";
import type { DevnetNode } from "../../src/devnet/contract.js";
import {
  CrawlCompleted_EndReason,
  CrawlCompletedSchema,
  NodeFailed_Step,
  NodeFailedSchema,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { Node_State, NodeSchema } from "../../src/gen/p2prc/client/v1/node_pb.js";

const healthy: DevnetNode = { address: "127.0.1.1:8088", name: "a", dialect: "2026-01", depth: 0 };
const faulty: DevnetNode = { ...healthy, address: "127.0.1.2:8088", fault: "refuse", depth: 1 };
const tooFar: DevnetNode = { ...healthy, address: "127.0.1.3:8088", depth: 4 };

function outcome(change: Partial<DemoOutcome> = {}): DemoOutcome {
  return {
    devnet: { nodes: [healthy, faulty, tooFar] },
    report: {
      completed: create(CrawlCompletedSchema, { endReason: CrawlCompleted_EndReason.FINISHED }),
      failures: [failureOf(faulty)],
    },
    nodes: [create(NodeSchema, { name: `nodes/${healthy.address}`, state: Node_State.ACTIVE })],
    maxHops: 3,
    ...change,
  };
}

const failureOf = ({ address }: DevnetNode) =>
  create(NodeFailedSchema, { node: `nodes/${address}`, step: NodeFailed_Step.PROBE });

describe("the verdict on a demo", () => {
  it("has no complaint when every healthy node within reach is active and every faulty one is named", () => {
    expect(judgeDemo(outcome())).toEqual([]);
  });

  it("misses a healthy node that was not found", () => {
    expect(judgeDemo(outcome({ nodes: [] }))).toEqual(["healthy nodes not found: 127.0.1.1:8088"]);
  });

  it("complains of a healthy node that failed and of a faulty one that did not", () => {
    const { completed } = outcome().report;
    expect(judgeDemo(outcome({ report: { completed, failures: [failureOf(healthy)] } }))).toEqual([
      "healthy nodes that failed: 127.0.1.1:8088",
      "faulty nodes not named: 127.0.1.2:8088",
    ]);
  });

  it("complains of a crawl that ended early", () => {
    const completed = create(CrawlCompletedSchema, { endReason: CrawlCompleted_EndReason.LIMIT });
    expect(judgeDemo(outcome({ report: { completed, failures: [] } }))).toEqual([
      "the crawl ended with LIMIT",
    ]);
  });
});

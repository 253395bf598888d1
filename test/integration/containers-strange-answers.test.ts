/** Answers that no version of a node sends, on real sockets. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { ContainerBench, at, refusal } from "../support/container-bench.js";
import { RawNode } from "../support/raw-node.js";

const bench = new ContainerBench();
const nodes: RawNode[] = [];
afterEach(async () => {
  await bench.release();
  for (const node of nodes.splice(0)) await node.close();
});

/** Opens a node that answers each call with one body. */
async function openNode(status: string, body: string): Promise<string> {
  const head = `HTTP/1.1 ${status}\r\ncontent-length: ${String(Buffer.byteLength(body))}\r\n\r\n`;
  const node = await RawNode.open((socket) => socket.end(head + body));
  nodes.push(node);
  return `127.0.0.1:${String(node.port)}`;
}

describe("a node of another kind", () => {
  it("that names a container behind an error text with braces does not hide it", async () => {
    const { api } = await bench.open();
    const address = await openNode("500 Oops", 'error: template {{index . 0}} failed{"ID":"abcdef"}null');
    await api.addNode({ address });
    const { container } = await api.createContainer({ ...at(`nodes/${address}`), keepOnNodeError: true });
    expect(container).toMatchObject({ id: "abcdef", state: Container_State.ACTIVE });
  });

  it("leaves an entry that only a name with its own address means", async () => {
    const { api } = await bench.open();
    const address = await openNode("500 Oops", "error: exit status 125null");
    await api.addNode({ address });
    await refusal(api.createContainer(at(`nodes/${address}`)));
    const { containers } = await api.listContainers({ filter: "state = UNKNOWN" });
    const name = containers[0]?.name ?? "";
    const elsewhere = name.replace(address, "203.0.113.7:8088");
    expect((await refusal(api.getContainer({ container: elsewhere }))).reason).toBe("CONTAINER_NOT_TRACKED");
    const wrong = await refusal(api.removeContainer({ container: elsewhere, forgetOnly: true }));
    expect(wrong.reason).toBe("CONTAINER_NOT_TRACKED");
    await expect(api.removeContainer({ container: name, forgetOnly: true })).resolves.toBeDefined();
  });

  it("has its removed containers shown to those who leave out its port, whichever it is", async () => {
    const { api } = await bench.open();
    const address = await openNode("200 OK", '{"ID":"abcdef"}');
    await api.addNode({ address });
    const { container } = await api.createContainer(at(`nodes/${address}`));
    await api.removeContainer({ container: container?.name ?? "", forgetOnly: true });
    const shown = await api.getContainer({ container: "nodes/127.0.0.1/containers/abcdef" });
    expect(shown.container).toMatchObject({ name: container?.name, state: Container_State.REMOVED });
  });

  it("that says anything else than success has not removed a container, tracked or not", async () => {
    const { api, operator } = await bench.open();
    const address = await openNode("200 OK", '<html>{"ID":"abcdef"}</html>');
    await api.addNode({ address });
    const { container } = await api.createContainer({ ...at(`nodes/${address}`), keepOnNodeError: true });
    const tracked = await refusal(api.removeContainer({ container: container?.name ?? "" }));
    expect(tracked.reason).toBe("REMOVE_OUTCOME_UNKNOWN");
    const name = `nodes/${address}/containers/nobody-tracks-it`;
    expect((await refusal(operator.removeContainer({ container: name }))).reason).toBe(
      "REMOVE_OUTCOME_UNKNOWN",
    );
  });
});

import type { Node } from "../gen/p2prc/client/v1/node_pb.js";
import type { GatewayClient } from "./session.js";

/** Nodes asked for at once. With the longest texts a page stays below the 4 MiB that gRPC clients take. */
const pageSize = 200;

/** Reads the whole IP table, sorted by name. */
export async function listAllNodes(client: GatewayClient, signal: AbortSignal): Promise<readonly Node[]> {
  const nodes: Node[] = [];
  let pageToken = "";
  do {
    const page = await client.listNodes({ pageSize, pageToken }, { signal });
    nodes.push(...page.nodes);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return nodes;
}

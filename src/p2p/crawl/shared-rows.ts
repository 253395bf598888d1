import type { PeerRow, TableForm } from "../../peer-api/contract.js";
import type { CrawlDeps } from "./crawl-plan.js";
import type { NodeRecord } from "../node-record.js";

/** What the table that nodes are sent is made with. */
type SharedTableDeps = Pick<CrawlDeps, "policy" | "findOwnRow" | "buildTableForm">;

/** Builds the table that every node of a crawl is sent: some rows of ours, and our own if others can reach us. */
export async function buildSharedTable(
  records: Iterable<NodeRecord>,
  maxRows: number,
  publicIpAddress: string,
  { policy, findOwnRow, buildTableForm }: SharedTableDeps,
): Promise<TableForm> {
  const rows = chooseSharedRows(records, maxRows, ({ address }) => policy.allows(address.host));
  // Whatever fails there fails our entry, not the exchanges.
  const ownRow = await findOwnRow(publicIpAddress).catch(() => undefined);
  return buildTableForm(ownRow === undefined ? rows : [...rows, ownRow]);
}

/**
 * Chooses the rows of our table that nodes are sent: those that answered, nearest first, at most `maxRows`.
 *
 * Few, because a node pings every row it is sent, in sequence, before it answers. Without what their owners did not
 * give to us: a node in unsafe mode installs every public key it is sent.
 *
 * @param isShareable whether strangers may learn the address: an operator's private rows stay private
 */
export function chooseSharedRows(
  records: Iterable<NodeRecord>,
  maxRows: number,
  isShareable: (record: NodeRecord) => boolean,
): PeerRow[] {
  return [...records]
    .filter((record) => record.state === "ACTIVE" && isShareable(record))
    .sort((a, b) => latencyOf(a) - latencyOf(b))
    .slice(0, maxRows)
    .map(({ row, measurement }) => ({
      ...row,
      latencyNs: measurement?.latencyNs ?? 0,
      downloadMbps: measurement?.downloadMbps ?? 0,
      uploadMbps: measurement?.uploadMbps ?? 0,
      publicKey: "",
      machineUsername: "",
      customInformation: "",
    }));
}

const latencyOf = ({ measurement }: NodeRecord): number => measurement?.latencyNs ?? Number.MAX_SAFE_INTEGER;

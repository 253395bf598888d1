/** The IP table and its crawls: the part of the composition root for `p2p`. */
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import type { GatewayConfig } from "../config/config.js";
import { publicIpText } from "../config/schemas.js";
import type { Logger } from "../observability/logger.js";
import { createAddressPolicy } from "../p2p/address-policy.js";
import type { IpTableService } from "../p2p/contract.js";
import { OwnAddressSource } from "../p2p/own-address.js";
import { createIpTableService } from "../p2p/service.js";
import { IpTable } from "../p2p/table/ip-table.js";
import { defaultServerPort } from "../peer-api/address.js";
import type { PeerRow } from "../peer-api/contract.js";
import { bareRow } from "../peer-api/ip-table-rows.js";
import { openPeerApi } from "../peer-api/peer-api.js";
import { fetchPublicAddress } from "../peer-api/public-address.js";
import { resolveName } from "../peer-api/resolve-name.js";
import { buildTableForm } from "../peer-api/table-form.js";
import { systemClock } from "../system/clock.js";

/** How long a P2PRC server beside us may take to answer on loopback, in milliseconds. */
const ownServerTimeoutMs = 500;

/** Makes the service of the IP table of a base folder; nothing is read before it is asked. */
export function openIpTable(config: GatewayConfig, logger: Logger, draining: AbortSignal): IpTableService {
  const { original } = config;
  const sidePath = join(config.baseDir, ".p2prc", "ip_table.side.json");
  const policy = createAddressPolicy(config.allowCidrs);
  return createIpTableService({
    table: new IpTable({ tablePath: original.ipTablePath, sidePath }, logger),
    policy,
    clock: systemClock,
    openPeerApi,
    buildTableForm,
    resolveName,
    ownAddress: new OwnAddressSource(publicIpText(config.publicIp), fetchPublicAddress, systemClock, policy),
    own: { serverPort: original.serverPort ?? defaultServerPort, machineName: original.machineName },
    findOwnRow: (publicIpAddress) => findOwnRow(config, publicIpAddress),
    newCrawlId: () => uuidv7(),
    logger,
    draining,
  });
}

/**
 * Finds the row that tells others of us: only when a P2PRC server really runs beside us. Otherwise every node would
 * ping, in sequence and without a time-out, an address that never answers.
 */
async function findOwnRow(
  { original }: GatewayConfig,
  publicIpAddress: string,
): Promise<PeerRow | undefined> {
  if (!original.present || publicIpAddress === "") return undefined;
  const port = original.serverPort ?? defaultServerPort;
  const api = openPeerApi();
  try {
    await api.specs({ host: "127.0.0.1", port }, { timeoutMs: ownServerTimeoutMs });
  } catch {
    return undefined;
  } finally {
    api.close();
  }
  const row = bareRow({ host: publicIpAddress, port });
  return { ...row, machineName: original.machineName, escapeImplementation: "None" };
}

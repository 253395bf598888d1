import type {
  NodeContainer,
  NodeSpecs,
  PeerAddress,
  PeerRow,
  Probe,
  TableReply,
} from "../../src/peer-api/contract.js";
import { parseDockerVm } from "../../src/peer-api/docker-vm.js";
import { bareRow } from "../../src/peer-api/ip-table-rows.js";
import { addressKey } from "../../src/peer-api/address.js";
import { newRecord, type NodeRecord } from "../../src/p2p/node-record.js";

/** Address number `n` of a public range: 198.18 and the like would be refused by the policy. */
export function anAddress(n = 1, port = 8088): PeerAddress {
  return { host: `45.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`, port };
}

export function aRow(overrides: Partial<PeerRow> = {}): PeerRow {
  const address = overrides.address ?? anAddress();
  return { ...bareRow(address), ...overrides };
}

export function aRecord(overrides: Partial<NodeRecord> & { readonly row?: PeerRow } = {}): NodeRecord {
  const row = overrides.row ?? aRow(overrides.address === undefined ? {} : { address: overrides.address });
  return { ...newRecord(row, "peer"), ...overrides };
}

/** Records by `HOST:PORT`, as tables hold them. */
export function tableOf(...records: readonly NodeRecord[]): Map<string, NodeRecord> {
  return new Map(records.map((record) => [addressKey(record.address), record]));
}

export const someSpecs: NodeSpecs = {
  hostname: "render-box",
  platform: "ubuntu",
  cpuModel: "EPYC",
  memoryMib: 64_216,
  diskMib: 468_417,
  gpus: [],
};

export function aProbe(overrides: Partial<Probe> = {}): Probe {
  return { latencyNs: 1_000_000, jitterNs: 10_000, sampleCount: 3, specs: someSpecs, ...overrides };
}

export function aReply(rows: readonly PeerRow[], overrides: Partial<TableReply> = {}): TableReply {
  return { rows, entryCount: rows.length, rejected: new Map(), bodyBytes: 100, elapsedMs: 1, ...overrides };
}

/** A container as today's nodes describe it; `wire` replaces keys of the description. */
export function aNodeContainer(wire: Readonly<Record<string, unknown>> = {}): NodeContainer {
  const container = parseDockerVm({
    SSHUsername: "root",
    SSHPublicKey: "ssh-ed25519 AAAA somebody\n",
    ID: "eqLNDEiVeXBBXHRpcpCBtU",
    TagName: "8a1d6f1e-2b3c-4d5e-8f90-123456789abc_p2p-ubuntu",
    ImagePath: "/tmp",
    Ports: {
      Port: [
        {
          PortName: "SSH",
          InternalPort: 22,
          Type: "tcp",
          ExternalPort: 44_269,
          IsUsed: true,
          Description: "SSH Port",
        },
      ],
    },
    GPU: "false",
    TempPath: "",
    BaseImage: "ubuntu:20.04",
    LogsPath: "/tmp/",
    SSHCommand: "",
    ...wire,
  });
  if (container === undefined) throw new Error("no description of a container");
  return container;
}

/** Tracked containers without a disk and without nodes. */
import { randomUUID } from "node:crypto";
import { silentLogger } from "../../src/observability/logger.js";
import { change, type ChangeDeps } from "../../src/containers/change.js";
import { containerKey } from "../../src/containers/names.js";
import type { ContainerRecord, IntentRecord } from "../../src/containers/records.js";
import { untrack } from "../../src/containers/life/untrack.js";
import { TrackedState } from "../../src/containers/tracked-state.js";
import type { JsonValue } from "../../src/store/contract.js";
import { RecordView } from "../../src/store/view.js";
import { FakeClock } from "./fake-clock.js";
import { MemoryStore } from "./memory-store.js";
import { aNodeContainer } from "./peers.js";

export const someNode = { host: "45.0.0.1", port: 8088 };

export function aContainerRecord(overrides: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    address: someNode,
    id: "abc",
    isAsTyped: false,
    spec: { portCount: 0, gpu: false, image: "", baseImage: "", sshPublicKey: "", labels: [] },
    state: "TRACKED",
    reason: "",
    ports: [aPort("SSH", 44_269), aPort("web", 38_080), aPort("metrics", 39_090)],
    sshUsername: "root",
    createTimeMs: 1,
    isReachable: true,
    lastSeenTimeMs: null,
    ...overrides,
  };
}

export const aPort = (name: string, externalPort: number): ContainerRecord["ports"][number] => ({
  name,
  internalPort: externalPort,
  externalPort,
  protocol: "tcp",
  isUsed: true,
  description: "",
});

export function anIntent(overrides: Partial<IntentRecord> = {}): IntentRecord {
  const { spec } = aContainerRecord();
  return {
    id: "int1",
    address: someNode,
    isAsTyped: false,
    spec,
    group: "",
    requestId: "",
    state: "UNKNOWN",
    reason: "CREATE_OUTCOME_UNKNOWN",
    createTimeMs: 1,
    owner: "gateway",
    ...overrides,
  };
}

export interface Tracked extends ChangeDeps {
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  readonly keyOf: (record?: Partial<ContainerRecord>) => string;
  /** Tracks containers in one commit. @param sshPort 0 = none is told @returns their keys */
  track(records: readonly ContainerRecord[], sshPort?: number): Promise<string[]>;
  /** Takes one out, as a removal does. */
  remove(key: string): Promise<void>;
  close(): Promise<void>;
}

/** @param shared the store of another one: two gateways on one state */
export async function openTracked(
  shared: Pick<Tracked, "store" | "clock"> = { store: new MemoryStore(), clock: new FakeClock() },
): Promise<Tracked> {
  const { store, clock } = shared;
  const view = await RecordView.open(store, silentLogger, clock);
  const deps: ChangeDeps & { store: MemoryStore; clock: FakeClock } = {
    store,
    clock,
    state: await TrackedState.open(view, clock),
    newOperationId: () => randomUUID(),
  };
  return {
    ...deps,
    keyOf: (record) => containerKey(aContainerRecord(record).address, aContainerRecord(record).id),
    async track(records, sshPort = 44_269) {
      const ports =
        sshPort === 0 ? [] : [{ PortName: "SSH", InternalPort: 22, Type: "tcp", ExternalPort: sshPort }];
      const { raw } = aNodeContainer({ Ports: { Port: ports } });
      const keys = records.map(({ address, id }) => containerKey(address, id));
      await change(deps, (draft) => {
        for (const [at, record] of records.entries()) {
          draft.put("container", keys[at]!, record);
          draft.put("secret", keys[at]!, { dockerVm: raw as JsonValue, ipAddressText: "" });
        }
      });
      return keys;
    },
    async remove(key) {
      await change(deps, (draft) => void untrack(draft, deps, key, "NODE_CONFIRMED"));
    },
    async close() {
      await view.close();
    },
  };
}
